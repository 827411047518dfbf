"""What crosses HTTP about events, webhooks and deliveries."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from service.ids import Prefix, id_pattern
from service.webhooks.addresses import URL_LENGTH_LIMIT
from service.webhooks.events import PATTERNS, EventType, check_pattern
from service.webhooks.models import Delivery as DeliveryRow
from service.webhooks.models import Event as EventRow
from service.webhooks.models import Webhook as WebhookRow


class WebhookState(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


_WEBHOOK_EXAMPLE: dict[str, Any] = {
    "object": "webhook",
    "id": "wh_01jd5v3q8e7z2m4n6p8r0s2t4v",
    "url": "https://hooks.example.com/tunecurve",
    "event_types": ["job.succeeded", "job.failed", "job.cancelled"],
    "description": "starts the nightly export",
    "state": "enabled",
    "failing_since": None,
    "held_until": None,
    "previous_secret_until": None,
    "version": 1,
    "created_at": "2026-11-21T08:00:00Z",
    "updated_at": "2026-11-21T08:00:00Z",
}
_CREATE_EXAMPLE = {
    key: _WEBHOOK_EXAMPLE[key] for key in ("url", "event_types", "description")
}  # what a client may choose
_ATTEMPT_EXAMPLE = {
    "at": "2026-11-21T08:00:01Z",
    "status": 200,
    "error": None,
    "latency_ms": 84,
    "response": "ok",
}
_EVENT_EXAMPLE = {
    "object": "event",
    "seq": 812,
    "id": "evt_01jd5v3q8e7z2m4n6p8r0s2t4v",
    "type": "job.succeeded",
    "timestamp": "2026-11-21T08:00:00Z",
    "job": "job_01jd5v3q8e7z2m4n6p8r0s2t4v",
    "data": {"kind": "prepare", "state": "succeeded", "version": 4},
}
_DELIVERY_EXAMPLE = {
    "object": "delivery",
    "id": "dlv_01jd5v3q8e7z2m4n6p8r0s2t4v",
    "webhook": "wh_01jd5v3q8e7z2m4n6p8r0s2t4v",
    "event": "evt_01jd5v3q8e7z2m4n6p8r0s2t4v",
    "event_type": "job.succeeded",
    "state": "delivered",
    "attempts": 1,
    "next_attempt_at": None,
    "last_attempts": [_ATTEMPT_EXAMPLE],
    "created_at": "2026-11-21T08:00:00Z",
    "delivered_at": "2026-11-21T08:00:01Z",
}


def _config(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": list(examples)})


EventPattern = Annotated[
    str, AfterValidator(check_pattern), Field(json_schema_extra={"enum": list(PATTERNS)})
]
EventPatterns = Annotated[list[EventPattern], Field(min_length=1, max_length=len(PATTERNS))]
Url = Annotated[str, Field(min_length=1, max_length=URL_LENGTH_LIMIT)]
Description = Annotated[
    str,
    Field(
        max_length=500,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="text of one line, yours to remember it by",
        examples=["to our chat"],
    ),
]


class Event(BaseModel):
    """One thing that happened. `seq` counts without gaps inside a project."""

    model_config = _config(_EVENT_EXAMPLE)

    object: Literal["event"] = "event"
    seq: int = Field(ge=1, description="the cursor of lists and the id of streams")
    id: str
    type: EventType
    timestamp: AwareDatetime
    job: str | None
    data: dict[str, Any]


class WebhookCreate(BaseModel):
    """What a new endpoint is to be."""

    model_config = _config(_CREATE_EXAMPLE)

    url: Url
    event_types: EventPatterns = Field(
        default=["job.succeeded", "job.failed", "job.cancelled"],
        description="exact types, `job.*`, or `*`; `job.progress` is never sent",
    )
    description: Description = ""


class WebhookUpdate(BaseModel):
    """What of an endpoint is to change; what is left out stays. Enabling begins anew: it clears
    `failing_since` and `held_until`; another `url` clears `held_until`.
    """

    model_config = _config({"event_types": ["*"]}, {"state": "enabled"})

    url: Url | None = None
    event_types: EventPatterns | None = None
    description: Description | None = None
    state: WebhookState | None = None


class Webhook(BaseModel):
    """An endpoint. `version` is its ETag."""

    model_config = _config(_WEBHOOK_EXAMPLE)

    object: Literal["webhook"] = "webhook"
    id: str
    url: str
    event_types: list[str]
    description: str
    state: WebhookState = Field(description="disabled after a 410 or five days of failures")
    failing_since: AwareDatetime | None
    held_until: AwareDatetime | None = Field(
        description="nothing is sent before: the `Retry-After` of its last answer, a day at most"
    )
    previous_secret_until: AwareDatetime | None = Field(
        description="until then the secret before the last rotation signs too"
    )
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class WebhookWithSecret(Webhook):
    """An endpoint with its secret, shown when it is made or changed and not again."""

    model_config = _config(_WEBHOOK_EXAMPLE | {"secret": "whsec_…"})

    secret: str = Field(repr=False, description="verify signatures with it")


class RotateSecret(BaseModel):
    """How long the old secret still signs beside the new one."""

    model_config = _config({"overlap_seconds": 86400})

    overlap_seconds: int = Field(default=86400, ge=0, le=7 * 86400)


class Attempt(BaseModel):
    """One try at sending."""

    model_config = _config(_ATTEMPT_EXAMPLE)

    at: AwareDatetime
    status: int | None = Field(description="of the answer; null where there was none")
    error: str | None = Field(description="a code such as `timeout`; null where there was one")
    latency_ms: int
    response: str = Field(description="how the answer began, up to 512 bytes")


class Delivery(BaseModel):
    """One event on its way to one endpoint."""

    model_config = _config(_DELIVERY_EXAMPLE)

    object: Literal["delivery"] = "delivery"
    id: str
    webhook: str
    event: str
    event_type: EventType
    state: DeliveryState
    attempts: int = Field(description="since it was made, or last asked for again")
    next_attempt_at: AwareDatetime | None
    last_attempts: list[Attempt] = Field(description="the latest ten, oldest first")
    created_at: AwareDatetime
    delivered_at: AwareDatetime | None


class Redeliver(BaseModel):
    """Which deliveries to send again: some by id, or all that failed since a time."""

    model_config = _config(
        {"delivery_ids": ["dlv_01jd5v3q8e7z2m4n6p8r0s2t4v"]},
        {"since": "2026-11-21T08:00:00Z", "state": "failed"},
    )

    delivery_ids: (
        Annotated[
            list[Annotated[str, Field(pattern=id_pattern(Prefix.DELIVERY))]],
            Field(min_length=1, max_length=100),
        ]
        | None
    ) = None
    since: AwareDatetime | None = None
    state: Literal["failed"] = "failed"

    @model_validator(mode="after")
    def _one_of_both(self) -> "Redeliver":
        if (self.delivery_ids is None) == (self.since is None):
            message = "give either delivery_ids or since"
            raise ValueError(message)
        return self


class Redelivered(BaseModel):
    model_config = _config({"count": 3})

    count: int = Field(description="deliveries that will be sent again")


def present_event(row: EventRow) -> Event:
    return Event(
        seq=row.seq,
        id=row.id,
        type=EventType(row.type),
        timestamp=row.created_at,
        job=row.job_id,
        data=row.data,
    )


def present_webhook(row: WebhookRow) -> Webhook:
    return Webhook(
        id=row.id,
        url=row.url,
        event_types=row.event_types,
        description=row.description,
        state=WebhookState(row.state),
        failing_since=row.failing_since,
        held_until=row.held_until,
        previous_secret_until=row.previous_until,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def present_delivery(row: DeliveryRow, *, held_until: datetime | None = None) -> Delivery:
    """Return a delivery; one that waits is not tried before its endpoint may be sent to."""
    due = row.next_attempt_at
    return Delivery(
        id=row.id,
        webhook=row.webhook_id,
        event=row.event_id,
        event_type=EventType(row.event_type),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_attempt_at=max(due, held_until) if due and held_until else due,
        last_attempts=[Attempt.model_validate(attempt) for attempt in row.attempt_log],
        created_at=row.created_at,
        delivered_at=row.delivered_at,
    )
