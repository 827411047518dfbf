"""Event types, patterns that select them, and the body of a webhook. Pure."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic_core import PydanticCustomError

from service.clock import rfc3339

BODY_BYTES_LIMIT = 4096


class EventType(StrEnum):
    JOB_CREATED = "job.created"
    JOB_STARTED = "job.started"
    JOB_PROGRESS = "job.progress"
    JOB_WAITING = "job.waiting"
    JOB_RESUMED = "job.resumed"
    JOB_CANCELLING = "job.cancelling"
    JOB_WARNING = "job.warning"
    JOB_PROVIDER_STATE = "job.provider_state"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    MODEL_RETIREMENT_DUE = "model.retirement_due"
    MODEL_OVERFITTING = "model.overfitting"
    WEBHOOK_PING = "webhook.ping"
    WEBHOOK_DISABLED = "webhook.disabled"


# Progress comes by the second: it is for lists and streams, never for webhooks.
DELIVERABLE = tuple(type_ for type_ in EventType if type_ is not EventType.JOB_PROGRESS)
PATTERNS = ("*", "job.*", "model.*", "webhook.*", *(type_.value for type_ in DELIVERABLE))

# Members that are sent. Rows and prompts never are, even when an event's data holds them.
_PUBLIC_DATA = frozenset(
    {
        "kind", "state", "reason", "outputs", "labels", "parent", "version", "error",
        "attempt", "attempts_limit", "retry_because", "why", "code", "webhook", "synthetic", "cost",
        "model", "base_model", "retires", "days_left", "provider_state", "phase", "overfitting",
    }
)  # fmt: skip


def matches(patterns: Iterable[str], event_type: str) -> bool:
    """Return whether any pattern (`*`, `job.*` or an exact type) covers the type."""
    family = f"{event_type.partition('.')[0]}.*"
    return not {"*", family, event_type}.isdisjoint(patterns)


def types_matching(patterns: Iterable[str]) -> list[EventType]:
    """Return the event types that the patterns cover."""
    distinct = set(patterns)
    return [type_ for type_ in EventType if matches(distinct, type_)]


def check_pattern(pattern: str) -> str:
    """Return the pattern, or raise what a validator may raise, with the known ones."""
    if pattern not in PATTERNS:
        known = {"known": list(PATTERNS)}
        raise PydanticCustomError("unknown_event_type", "known: {known}", known)
    return pattern


def build_body(
    *,
    event_id: str,
    event_type: str,
    seq: int,
    job_id: str | None,
    data: Mapping[str, Any],
    timestamp: datetime,
) -> str:
    """Return the JSON text that a webhook carries: ids and states, under 4,096 bytes of ASCII.

    Members of `data` that are not public are left out; when the rest is too long, the longest
    go until it fits, and `"truncated": true` says so: the consumer can read the job.
    """
    public = {key: value for key, value in data.items() if key in _PUBLIC_DATA}
    envelope = {
        "type": event_type,
        "timestamp": rfc3339(timestamp),
        "id": event_id,
        "seq": seq,
        "job": job_id,
    }
    body = _as_json(envelope | {"data": public})
    while len(body) >= BODY_BYTES_LIMIT:
        public.pop(max(public, key=lambda key: len(_as_json(public[key]))))
        body = _as_json(envelope | {"data": public | {"truncated": True}})
    return body


def _as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
