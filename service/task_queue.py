"""Task messages to the workers: the one place outside `workers/` that knows Celery.

A task message is a hint: it carries an id, and losing or doubling it is harmless because the
database row decides. So sending fails fast and quietly, and the ticker sends again.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Protocol
from urllib.parse import urlsplit

import structlog

from service.settings import Settings

log = structlog.get_logger()


class Queue(StrEnum):
    PREPARE = "prepare"
    TUNE = "tune"
    POLL = "poll"
    EVALUATE = "evaluate"
    EXPERIMENT = "experiment"
    NOTIFY = "notify"
    # Of models on this machine: their workers have the extra `local`, and a slot for each GPU.
    TUNE_LOCAL = "tune-local"
    EVALUATE_LOCAL = "evaluate-local"


# The order in which messages of one queue are taken, the lowest first. Each step is a list of its
# own in Redis, so both sides must know them all: an unknown one is neither read nor counted.
PRIORITIES = range(4)
PRIORITY_OPTIONS = {"priority_steps": list(PRIORITIES)}


@dataclass(frozen=True, slots=True)
class QueueNames:
    """`prefix` begins all keys of an installation's queues; `installation` names who uses them."""

    prefix: str = ""
    installation: str = ""


SHARED = (
    "another installation uses the same queues, and each loses messages to the other: set "
    "TUNECURVE_REDIS_PREFIX of one, or another database number in its TUNECURVE_REDIS_URL"
)


_PROBE_KEY, _PROBE_SECONDS = "tunecurve.probe", 60
_CLUSTER = "this Redis is a cluster: name one that is none in TUNECURVE_REDIS_URL"
_OF_CLUSTERS = (
    *("MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN", "TRYAGAIN"),
    *("MovedError", "AskError", "ClusterCrossSlotError", "ClusterDownError", "TryAgainError"),
)
# By the name of redis-py's error, which strips the word that Redis sends, or by its words.
_REFUSALS = {
    "OutOfMemoryError": "Redis is full: its maxmemory is used up",
    "OOM": "Redis is full: its maxmemory is used up",
    "ReadOnlyError": "Redis takes no writes: it is a read-only replica",
    "READONLY": "Redis takes no writes: it is a read-only replica",
    "MISCONF": "Redis takes no writes: it cannot write to its disk",
    "NoPermissionError": "the Redis user lacks a permission",
    "NOPERM": "the Redis user lacks a permission",
    "AuthenticationError": "Redis refuses this user or password",
    "NOAUTH": "Redis asks for a password",
    "WRONGPASS": "Redis refuses this user or password",
    "BusyLoadingError": "Redis is loading its data",
    "LOADING": "Redis is loading its data",
    "BUSY": "Redis is held up by a script that does not end",
    "MASTERDOWN": "Redis is a replica that has lost its primary",
    "MasterDownError": "Redis is a replica that has lost its primary",
    "NOREPLICAS": "Redis takes no writes: too few of its replicas are there",
    **dict.fromkeys(_OF_CLUSTERS, _CLUSTER),
    "DB index is out of range": "Redis has no database of this number",
    "max number of clients": "Redis takes no more connections",
    "MaxConnectionsError": "Redis takes no more connections",
    "unknown command": "Redis lacks a command: it is older than 6.2, or a proxy before it",
    "InvalidResponse": "what answers at TUNECURVE_REDIS_URL is no Redis",
    "Protocol Error": "what answers at TUNECURVE_REDIS_URL is no Redis",
    "CERTIFICATE_VERIFY_FAILED": "the certificate of Redis is not one that is trusted",
    "WRONG_VERSION_NUMBER": "Redis speaks no TLS at this port: use redis:// for rediss://",
    "Name or service not known": "the name of Redis's host is not known",
    "No address associated": "the name of Redis's host is not known",
    "name resolution": "the name of Redis's host is not known",
    "Connection refused": "nothing listens at Redis's address",
    "No such file": "nothing listens at Redis's address",
}


def queue_names(settings: Settings) -> QueueNames:
    """Return how an installation's queues are named: as the setting says, or after its database.

    The prefix holds no host: behind a pooler a database has another one, and the same queues.
    """
    url = urlsplit(settings.resolved_database_url)
    prefix = settings.redis_prefix or f"tunecurve-{_digest(url.path)}."
    return QueueNames(prefix, _digest(f"{url.hostname}:{url.port}{url.path}?{url.query}"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


class TaskQueue(Protocol):
    def send(self, task: str, *ids: str, queue: Queue, priority: int = 0) -> bool:
        """Return True when the broker took the message; of those waiting the lowest goes first."""
        ...

    def depth(self, queue: Queue) -> int | None:
        """Return how many messages wait, or None when the broker does not answer."""
        ...

    def fault(self) -> str | None:
        """Return why no message can be sent now, or None; it tries to write next to nothing."""
        ...


class _NoResult:
    """Stands for the result of a task: Celery's own looks for a backend, 5 ms in each thread."""

    def __init__(self, task_id: str) -> None:
        self.id, self.ignored = task_id, True


class CeleryTaskQueue:
    """The producer. Celery is imported at the first message: the API starts without it."""

    def __init__(self, broker_url: str, names: QueueNames | None = None) -> None:
        from celery import Celery

        self._names = names or QueueNames()
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
                "global_keyprefix": self._names.prefix,
                "socket_timeout": 5,
                "socket_connect_timeout": 2,
            },
        )

    def send(self, task: str, *ids: str, queue: Queue, priority: int = 0) -> bool:
        step = min(priority, PRIORITIES[-1])
        try:
            self._app.send_task(
                task,
                args=list(ids),
                queue=queue.value,
                priority=step,
                ignore_result=True,
                result_cls=_NoResult,  # type: ignore[arg-type]  # Celery only calls it
            )
        except self._errors as error:
            log.warning("task_message_unsent", task=task, queue=queue.value, cause=_cause_of(error))
            return False
        return True

    def depth(self, queue: Queue) -> int | None:
        try:
            # A pooled connection: opening one for each question cost ten times the question.
            with self._app.connection_or_acquire() as connection:
                declared = connection.default_channel.queue_declare(queue.value)
                return int(declared.message_count)
        except self._errors:
            return None  # the pool connects again by itself

    def fault(self) -> str | None:
        try:
            with (
                self._app.connection_or_acquire() as connection,
                connection.default_channel.conn_or_acquire() as client,
            ):
                before = client.get(f"{self._names.prefix}{_PROBE_KEY}")  # kombu prefixes no GET
                client.set(_PROBE_KEY, self._names.installation, ex=_PROBE_SECONDS)
        except self._errors as error:
            return _cause_of(error)
        return SHARED if before and before.decode() != self._names.installation else None

    @cached_property
    def _errors(self) -> tuple[type[Exception], ...]:
        """What Redis and the way to it raise; also its refusals, which are no connection errors,
        and what is no answer of Redis.

        kombu 5.6.2 raises AttributeError where it publishes again on a channel that it has closed
        with its connection: 92 of 25,000 messages while Redis was cut, killed and full.
        """
        from kombu.exceptions import OperationalError
        from kombu.transport.redis import get_redis_error_classes

        known = get_redis_error_classes()
        known_errors = (*known.connection_errors, *known.channel_errors)
        return (OperationalError, OSError, AttributeError, ValueError, *known_errors)


def _cause_of(error: BaseException) -> str:
    """Return what Redis, or the way to it, says, in plain words."""
    found: BaseException | None = error
    while found is not None:
        for word, cause in _REFUSALS.items():
            if type(found).__name__ == word or re.search(rf"\b{word}\b", str(found)):
                return cause
        found = found.__cause__
    return "Redis does not answer"
