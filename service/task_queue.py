"""Task messages to the workers: the one place outside `workers/` that knows Celery.

A task message is a hint: it carries an id, and losing or doubling it is harmless because the
database row decides. So sending fails fast and quietly, and the ticker sends again.
"""

from enum import StrEnum
from typing import Any, Protocol

import structlog

log = structlog.get_logger()


class Queue(StrEnum):
    PREPARE = "prepare"
    TUNE = "tune"
    POLL = "poll"
    EVALUATE = "evaluate"
    EXPERIMENT = "experiment"
    NOTIFY = "notify"


# The order in which messages of one queue are taken, the lowest first. Each step is a list of its
# own in Redis, so both sides must know them all: an unknown one is neither read nor counted.
PRIORITIES = range(4)
PRIORITY_OPTIONS = {"priority_steps": list(PRIORITIES)}


class TaskQueue(Protocol):
    def send(self, task: str, *ids: str, queue: Queue, priority: int = 0) -> bool:
        """Return True when the broker took the message; of those waiting the lowest goes first."""
        ...

    def depth(self, queue: Queue) -> int | None:
        """Return how many messages wait, or None when the broker is away."""
        ...


class CeleryTaskQueue:
    """The producer. Celery is imported at the first message: the API starts without it."""

    def __init__(self, broker_url: str) -> None:
        from celery import Celery

        self._app = Celery("tunecurve", broker=broker_url, set_as_current=False)
        self._app.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            # one try more after 50 ms, then give up: the sweep sends what could not be sent
            task_publish_retry_policy={
                "max_retries": 1,
                "interval_start": 0.05,
                "interval_step": 0.05,
                "interval_max": 0.1,
            },
            broker_transport_options={
                **PRIORITY_OPTIONS,
                "socket_timeout": 5,
                "socket_connect_timeout": 2,
            },
        )

    def send(self, task: str, *ids: str, queue: Queue, priority: int = 0) -> bool:
        step = min(priority, PRIORITIES[-1])
        try:
            self._app.send_task(task, args=list(ids), queue=queue.value, priority=step)
        except (self._unavailable, OSError):
            log.warning("task_message_unsent", task=task, queue=queue.value)
            return False
        return True

    def depth(self, queue: Queue) -> int | None:
        try:
            # A pooled connection: opening one for each question cost ten times the question.
            with self._app.connection_or_acquire() as connection:
                return self._size(connection, queue)
        except (self._unavailable, OSError):
            return None

    def _size(self, connection: Any, queue: Queue) -> int | None:
        try:
            return int(connection.default_channel.queue_declare(queue.value).message_count)
        except connection.connection_errors:
            return None  # the pool connects again by itself

    @property
    def _unavailable(self) -> type[Exception]:
        from kombu.exceptions import OperationalError

        return OperationalError
