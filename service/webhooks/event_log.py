"""The event log: record events with their deliveries, list, purge."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from service.database import Session, Sessions, database_now
from service.ids import Prefix, new_id
from service.projects.operations import next_event_seq
from service.webhooks import repository
from service.webhooks.events import DELIVERABLE, EventType, build_body, matches, types_matching
from service.webhooks.models import Delivery as DeliveryRow
from service.webhooks.models import Event as EventRow
from service.webhooks.schemas import DeliveryState, Event, present_event


def record_event(
    session: Session,
    *,
    project_id: str,
    type: str,  # noqa: A002  the word of the event's own field
    job_id: str | None,
    data: Mapping[str, Any],
) -> None:
    """Write an event and a delivery for each subscribed endpoint, in the caller's transaction.

    The project's row stays locked until that commits: call this last. Raises ValueError for a
    type that is not in the vocabulary.
    """
    subscribed = _subscribed(session, project_id, EventType(type))
    event = insert_event(
        session, project_id=project_id, event_type=EventType(type), job_id=job_id, data=data
    )
    if not subscribed:
        return
    body = body_of(event)
    deliveries = [
        new_delivery(event, webhook_id, body=body, due=event.created_at)
        for webhook_id in subscribed
    ]
    repository.insert(session, *deliveries)


def _subscribed(session: Session, project_id: str, event_type: EventType) -> list[str]:
    """Return the ids of the endpoints that get such events."""
    if event_type not in DELIVERABLE:
        return []
    enabled = repository.enabled_webhooks(session, project_id)
    return [webhook.id for webhook in enabled if matches(webhook.event_types, event_type.value)]


def insert_event(
    session: Session,
    *,
    project_id: str,
    event_type: EventType,
    job_id: str | None,
    data: Mapping[str, Any],
) -> EventRow:
    event = EventRow(
        project_id=project_id,
        seq=next_event_seq(session, project_id),
        id=new_id(Prefix.EVENT),
        type=event_type.value,
        job_id=job_id,
        data=dict(data),
        created_at=database_now(session),
    )
    repository.insert(session, event)
    return event


def body_of(event: EventRow) -> str:
    return build_body(
        event_id=event.id,
        event_type=event.type,
        seq=event.seq,
        job_id=event.job_id,
        data=event.data,
        timestamp=event.created_at,
    )


def new_delivery(
    event: EventRow, webhook_id: str, *, body: str, due: datetime | None
) -> DeliveryRow:
    return DeliveryRow(
        id=new_id(Prefix.DELIVERY),
        project_id=event.project_id,
        webhook_id=webhook_id,
        event_id=event.id,
        event_type=event.type,
        body=body,
        state=DeliveryState.PENDING.value,
        attempts=0,
        next_attempt_at=due,
        attempt_log=[],
        created_at=event.created_at,
    )


def list_events(
    project_id: str,
    *,
    job_id: str | None = None,
    types: Sequence[str] = (),
    after_seq: int = 0,
    limit: int = 20,
    sessions: Sessions,
) -> list[Event]:
    """Return a page of events after a number, oldest first; `types` may be patterns."""
    event_types = types_matching(types)
    if types and not event_types:
        return []
    with sessions.reading() as session:
        rows = repository.page_of_events(
            session, project_id, job_id=job_id, types=event_types, after_seq=after_seq, limit=limit
        )
        return [present_event(row) for row in rows]


def purge_events(before: datetime, *, sessions: Sessions) -> int:
    """Delete events older than `before`; return how many. Their numbers are not reused."""
    with sessions.transaction() as session:
        return repository.delete_events(session, before=before)
