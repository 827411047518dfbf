"""The Celery app: settings with the reason beside each, its queues, and one container a process."""

import os
from functools import cache
from typing import Any

from celery import Celery, signals
from kombu import Exchange
from kombu import Queue as KombuQueue

from service.container import Container
from service.logging import configure_logging
from service.redis_address import RedisAddress
from service.settings import read_settings
from service.task_queue import PRIORITY_OPTIONS, Queue, queue_names
from workers.health import HeartbeatStep
from workers.transport import use_transport

# Each with its own exchange and key: left out, Celery binds all of them to the default queue's,
# and every message would go to every queue.
QUEUES = tuple(
    KombuQueue(queue.value, Exchange(queue.value), routing_key=queue.value) for queue in Queue
)

settings = read_settings()
use_transport()

app = Celery(
    "tunecurve",
    broker=RedisAddress(settings.resolved_redis_url).broker_url if settings.redis_url else None,
    include=[
        "workers.tasks.datasets",
        "workers.tasks.erasure",
        "workers.tasks.evaluation",
        "workers.tasks.experiments",
        "workers.tasks.generation",
        "workers.tasks.jobs",
        "workers.tasks.tuning",
        "workers.tasks.webhooks",
    ],
)
app.conf.update(
    task_queues=QUEUES,
    task_default_queue="prepare",
    task_create_missing_queues=False,  # a typo must fail, not make a queue without a reader
    task_serializer="json",
    accept_content=["json"],  # ids only; no pickle
    task_ignore_result=True,  # the database holds state; no result backend
    task_acks_late=True,  # a message survives a crash of its worker
    task_reject_on_worker_lost=True,  # a killed child's message comes back; claims are capped
    task_acks_on_failure_or_timeout=True,  # a failure is recorded in the database, not re-queued
    worker_prefetch_multiplier=1,  # with late acks, unacked equals running: least loss, fair
    worker_eta_task_limit=100,  # a safety net: long waits live in the database
    worker_disable_rate_limits=True,  # Celery's are per worker; ours are fleet-wide
    worker_enable_remote_control=False,  # no pub/sub; a worker of 5.7.0 dies without it on restarts
    worker_send_task_events=False,
    worker_soft_shutdown_timeout=20.0,  # below the containers' grace period of 30 s
    worker_enable_soft_shutdown_on_idle=False,  # True makes idle workers wait the full 20 s
    worker_cancel_long_running_tasks_on_connection_loss=False,  # leases fence doubles already
    worker_max_tasks_per_child=500,  # bounds leaks of SDKs
    worker_max_memory_per_child=1_000_000,  # KB; checked between tasks only
    worker_proc_alive_timeout=30.0,  # children that import an SDK are slow to answer
    worker_hijack_root_logger=False,  # structlog owns logging
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # the default gives up after 100
    broker_transport_options={
        **PRIORITY_OPTIONS,
        "global_keyprefix": queue_names(settings).prefix,
        "visibility_timeout": 900,  # only cleans stale messages; leases decide about recovery
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 25,  # finds half-open connections
        "max_connections": 50,
    },
    enable_utc=True,
    timezone="UTC",
)

app.steps["worker"].add(HeartbeatStep)


@cache
def _container_of(_process: int) -> Container:
    return Container(settings)


def container() -> Container:
    """Return this process's container: connections must not cross a fork."""
    return _container_of(os.getpid())


@signals.worker_process_shutdown.connect
def _close_container(**_: Any) -> None:
    container().close()


@signals.setup_logging.connect
def _configure_logging(**_: Any) -> None:
    configure_logging(log_format=settings.log_format, level=settings.log_level)
