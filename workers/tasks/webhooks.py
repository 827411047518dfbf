"""Tasks of webhook delivery."""

import os
from functools import cache, partial
from typing import Any

from celery import signals

from service.webhooks.deliveries import deliver as deliver_one
from workers.app import app, container
from workers.delivery_threads import DeliveryThreads


@cache
def _threads_of(_process: int) -> DeliveryThreads:
    return DeliveryThreads()


@app.task(name="webhooks.deliver")
def deliver(delivery_id: str) -> None:
    """Start an attempt; its claim in the database, not this task, says that it is under way."""
    services = container()
    _threads_of(os.getpid()).start(
        partial(
            deliver_one,
            delivery_id,
            sessions=services.sessions,
            sender=services.sender,
            secrets=services.webhook_secrets,
            now=services.sessions.now,
        )
    )


@signals.worker_process_shutdown.connect
def _finish(**_: Any) -> None:
    _threads_of(os.getpid()).finish()
