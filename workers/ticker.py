"""The ticker: a small process that sweeps the database and sends task messages.

It may run any number of times: rows are taken with SKIP LOCKED and every sweep is idempotent.
"""

import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog

from service.container import Container
from service.erasure.pending_leftovers import has_due
from service.erasure.projects import has_closed_projects
from service.errors import Invalid
from service.inference.cache import purge_cache
from service.inference.quota_controls import publish_controls
from service.jobs.dispatch import has_due_messages, send_due_messages
from service.jobs.paid_operations.sweep import has_due_operations
from service.jobs.sweeps import purge_keys, requeue_expired, wake_due
from service.logging import configure_logging
from service.model_registry.retirement import announce_retirements
from service.projects.audit import purge_entries
from service.settings import read_settings
from service.task_queue import Queue
from service.tuning.curves.sweep import has_due_metrics
from service.webhooks.deliveries import due_deliveries, purge_deliveries
from service.webhooks.event_log import purge_events
from workers.health import beat

log = structlog.get_logger()

PURGE_SECONDS = 3600
CONTROLS_SECONDS = 5
MESSAGES_A_SWEEP = 200

Sweep = Callable[[datetime], object]


def sweeps(services: Container) -> dict[str, Sweep]:
    """Return the sweeps of one tick in order: each takes the time now."""
    sessions = services.sessions
    return {
        "requeue_expired": partial(requeue_expired, sessions=sessions),
        "wake_due": partial(wake_due, sessions=sessions),
        "send_due_messages": partial(_send_messages, services=services),
        "poll_operations": partial(_send_poll, services=services),
        "erase": partial(_send_erasures, services=services),
        "deliver_webhooks": partial(_send_deliveries, services=services),
        "publish_controls": _every(CONTROLS_SECONDS, partial(_publish_controls, services=services)),
        "announce_retirements": _every(
            PURGE_SECONDS, partial(_announce_retirements, services=services)
        ),
        "purge": _every(PURGE_SECONDS, partial(_purge, services=services)),
    }


def _has_room(services: Container, queue: Queue) -> bool:
    """Return whether the broker answers and its queue is short: then messages may be sent."""
    depth = services.task_queue.depth(queue)
    return depth is not None and depth < services.settings.queue_length_limit


def _is_empty(services: Container, queue: Queue) -> bool:
    return services.task_queue.depth(queue) == 0


def _send_messages(now: datetime, *, services: Container) -> None:
    pause = services.settings.redispatch_seconds
    if not has_due_messages(now, sessions=services.sessions, redispatch_seconds=pause):
        return
    # Queue by queue: one that no worker reads must not keep the others waiting.
    queues = [queue for queue in Queue if _has_room(services, queue)]
    if queues:
        send_due_messages(
            now,
            services=services.jobs,
            queues=queues,
            redispatch_seconds=pause,
            limit=MESSAGES_A_SWEEP,
        )


def _send_poll(_now: datetime, *, services: Container) -> None:
    # One message waiting is enough: it polls everything that is due.
    tables, sessions = services.polled_tables, services.sessions
    is_due = has_due_operations(tables, sessions=sessions) or has_due_metrics(sessions)
    if is_due and _is_empty(services, Queue.POLL):
        services.task_queue.send("jobs.poll_operations", queue=Queue.POLL)


def _send_erasures(_now: datetime, *, services: Container) -> None:
    sessions = services.sessions
    is_due = has_due(sessions=sessions) or has_closed_projects(sessions=sessions)
    if is_due and _is_empty(services, Queue.POLL):
        services.task_queue.send("erasure.erase", queue=Queue.POLL)


def _send_deliveries(now: datetime, *, services: Container) -> None:
    due = due_deliveries(now, MESSAGES_A_SWEEP, sessions=services.sessions)
    # A delivery stays due until a worker takes it: sent at every tick, its messages would pile up.
    if due and _is_empty(services, Queue.NOTIFY):
        for delivery_id in due:
            services.task_queue.send("webhooks.deliver", delivery_id, queue=Queue.NOTIFY)


def _publish_controls(now: datetime, *, services: Container) -> None:
    publish_controls(
        now,
        google_projects=services.google.cloud_projects(),
        redis_url=services.redis.url,
        sessions=services.sessions,
    )


def _announce_retirements(now: datetime, *, services: Container) -> None:
    announce_retirements(now, catalogue=services.catalogue, sessions=services.sessions)


def _every(seconds: float, work: Sweep) -> Sweep:
    """Return a sweep that does its work once in so many seconds, and anew when the clock was set
    back.
    """
    done: datetime | None = None

    def sweep(now: datetime) -> None:
        nonlocal done
        if done is None or not done <= now < done + timedelta(seconds=seconds):
            done = now
            work(now)

    return sweep


def _purge(now: datetime, *, services: Container) -> None:
    settings, sessions = services.settings, services.sessions
    purge_keys(now - timedelta(hours=settings.idempotency_hours), sessions=sessions)
    purge_deliveries(now - timedelta(days=settings.delivery_days), sessions=sessions)
    purge_events(now - timedelta(days=settings.event_days), sessions=sessions)
    purge_cache(now, sessions=sessions)
    purge_entries(now - timedelta(days=settings.audit_days), sessions=sessions)
    # By a worker: opening the store takes seconds, and memory that a ticker does not need.
    services.task_queue.send("datasets.purge", queue=Queue.PREPARE)
    services.task_queue.send("erasure.purge", queue=Queue.POLL)


def tick(swept: dict[str, Sweep], now: Callable[[], datetime]) -> None:
    """Run every sweep once, each with the database's time; one that fails stops no other."""
    for name, sweep in swept.items():
        try:
            sweep(now())
        except Exception as error:  # noqa: BLE001  the database may be away for a while
            log.warning("sweep_failed", sweep=name, error=type(error).__name__)
    beat()


def main() -> None:
    """Tick until SIGTERM."""
    try:
        settings = read_settings()
        configure_logging(log_format=settings.log_format, level=settings.log_level)
        services, stopped = Container(settings), threading.Event()
    except Invalid as error:
        sys.exit(error.message)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    swept = sweeps(services)
    log.info("ticker_started", pause_seconds=settings.ticker_seconds)
    while not stopped.wait(settings.ticker_seconds):
        tick(swept, services.sessions.now)
    services.close()


if __name__ == "__main__":
    main()
