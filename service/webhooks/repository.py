"""SQL of events, webhooks and deliveries.

Locks are taken in one order, webhook before delivery before project, so that none deadlocks.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, bindparam, delete, func, or_, select, update
from sqlalchemy.orm import Session

from service.clock_jumps import has_come_within, is_ahead
from service.webhooks.models import Delivery, Event, Webhook
from service.webhooks.schedule import LONGEST_DELAY, RETRY_AFTER_LIMIT
from service.webhooks.schemas import DeliveryState, WebhookState

# Longer than the sender's overall deadline, so that no second worker sends meanwhile.
CLAIM = timedelta(seconds=60)


def insert(session: Session, *rows: Event | Webhook | Delivery) -> None:
    session.add_all(rows)
    session.flush()


def page_of_events(
    session: Session,
    project_id: str,
    *,
    job_id: str | None,
    types: Sequence[str],
    after_seq: int,
    limit: int,
) -> list[Event]:
    """Return up to `limit` events after a number, oldest first; no `types` means all."""
    query = select(Event).where(Event.project_id == project_id, Event.seq > after_seq)
    if job_id:
        query = query.where(Event.job_id == job_id)
    if types:
        query = query.where(Event.type.in_(types))
    return list(session.scalars(query.order_by(Event.seq).limit(limit)))


def delete_events(session: Session, *, before: datetime) -> int:
    return _count(session, delete(Event).where(Event.created_at < before))


# ---------------------------------------------------------------------------------- webhooks


_ENABLED = (  # asked with every event: building it costs as much as running it
    select(Webhook)
    .where(Webhook.project_id == bindparam("project_id"), Webhook.state == WebhookState.ENABLED)
    .order_by(Webhook.id)
    .with_for_update(read=True, key_share=True)
)


def enabled_webhooks(session: Session, project_id: str) -> list[Webhook]:
    """Return the endpoints that may get an event; none can be deleted before the commit."""
    return list(session.scalars(_ENABLED, {"project_id": project_id}))


def count_webhooks(session: Session, project_id: str) -> int:
    return session.scalar(select(func.count()).where(Webhook.project_id == project_id)) or 0


def find_webhook(session: Session, webhook_id: str, project_id: str) -> Webhook | None:
    query = select(Webhook).where(Webhook.id == webhook_id, Webhook.project_id == project_id)
    return session.scalar(query)


def lock_webhook(session: Session, webhook_id: str, project_id: str) -> Webhook | None:
    """Return the newest state of an endpoint; no other transaction changes it before the commit."""
    query = select(Webhook).where(Webhook.id == webhook_id, Webhook.project_id == project_id)
    return session.scalar(
        query.with_for_update(key_share=True).execution_options(populate_existing=True)
    )


def page_of_webhooks(
    session: Session, project_id: str, *, after: str | None, limit: int
) -> list[Webhook]:
    """Return up to `limit` endpoints, newest first; `after` is the last id of the page before."""
    query = select(Webhook).where(Webhook.project_id == project_id)
    if after:
        query = query.where(Webhook.id < after)
    return list(session.scalars(query.order_by(Webhook.id.desc()).limit(limit)))


def delete_webhook(session: Session, webhook: Webhook) -> None:
    """Delete an endpoint; its deliveries go with it, by the foreign key."""
    session.execute(delete(Webhook).where(Webhook.id == webhook.id))


# -------------------------------------------------------------------------------- deliveries


def _is_due(now: datetime) -> ColumnElement[bool]:
    """Return whether a delivery's time has come, or was set by a clock that was set back since."""
    first = (Delivery.attempts == 0) & is_ahead(Delivery.created_at, now=now)
    has_come = has_come_within(Delivery.next_attempt_at, LONGEST_DELAY, now=now)
    return (Delivery.state == DeliveryState.PENDING) & (first | has_come)


def due_delivery_ids(session: Session, *, now: datetime, limit: int) -> list[str]:
    """Return the oldest due delivery of each endpoint that may be sent to now."""
    ranked = (
        select(
            Delivery.id,
            Delivery.next_attempt_at,
            func.row_number()
            .over(
                partition_by=Delivery.webhook_id,
                order_by=(Delivery.next_attempt_at, Delivery.id),
            )
            .label("rank"),
        )
        .join(Webhook, Webhook.id == Delivery.webhook_id)
        .where(
            _is_due(now),
            _is_over(Webhook.sending_until, CLAIM, now=now),
            _is_over(Webhook.held_until, RETRY_AFTER_LIMIT, now=now),
        )
        .subquery()
    )
    query = select(ranked.c.id).where(ranked.c.rank == 1)
    return list(session.scalars(query.order_by(ranked.c.next_attempt_at).limit(limit)))


def _is_over(moment: Any, longest: timedelta, *, now: datetime) -> ColumnElement[bool]:
    return or_(moment.is_(None), has_come_within(moment, longest, now=now))


def next_due(session: Session, webhook_id: str, *, now: datetime) -> str | None:
    """Return an endpoint's oldest due delivery."""
    query = (
        select(Delivery.id)
        .where(Delivery.webhook_id == webhook_id, _is_due(now))
        .order_by(Delivery.next_attempt_at, Delivery.id)
    )
    return session.scalar(query.limit(1))


def endpoint_of(session: Session, delivery_id: str) -> Webhook | None:
    """Return a delivery's endpoint, locked."""
    query = select(Webhook).join(Delivery, Delivery.webhook_id == Webhook.id)
    return session.scalar(
        query.where(Delivery.id == delivery_id)
        .with_for_update(of=Webhook, key_share=True)
        .execution_options(populate_existing=True)
    )


def claim_delivery(
    session: Session, delivery_id: str, *, now: datetime, until: datetime
) -> Delivery | None:
    """Push a due delivery's next attempt ahead; only one of many callers gets it."""
    claimed = session.scalar(
        update(Delivery)
        .where(Delivery.id == delivery_id, _is_due(now))
        .values(next_attempt_at=until)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    return None if claimed is None else session.get(Delivery, delivery_id)


def postpone_due(session: Session, webhook_id: str, *, now: datetime, until: datetime) -> None:
    """Let all due deliveries of an endpoint wait."""
    session.execute(
        update(Delivery)
        .where(Delivery.webhook_id == webhook_id, _is_due(now))
        .values(next_attempt_at=until)
        .execution_options(synchronize_session=False)
    )


def lock_delivery(session: Session, delivery_id: str) -> Delivery | None:
    return session.scalar(
        select(Delivery)
        .where(Delivery.id == delivery_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def page_of_deliveries(
    session: Session, webhook_id: str, *, state: str | None, after: str | None, limit: int
) -> list[Delivery]:
    """Return up to `limit` deliveries, newest first; `after` is the last id before."""
    query = select(Delivery).where(Delivery.webhook_id == webhook_id)
    if state:
        query = query.where(Delivery.state == state)
    if after:
        query = query.where(Delivery.id < after)
    return list(session.scalars(query.order_by(Delivery.id.desc()).limit(limit)))


def redeliver_rows(
    session: Session,
    webhook_id: str,
    *,
    delivery_ids: Sequence[str] | None,
    failed_since: datetime | None,
    now: datetime,
    in_flight_until: datetime,
) -> int:
    """Make deliveries due now and return how many; those perhaps in flight are left alone."""
    at_rest = or_(
        Delivery.state != DeliveryState.PENDING, Delivery.next_attempt_at > in_flight_until
    )
    where: list[ColumnElement[bool]] = [Delivery.webhook_id == webhook_id, at_rest]
    if delivery_ids is not None:
        where.append(Delivery.id.in_(delivery_ids))
    if failed_since is not None:
        where += [Delivery.state == DeliveryState.FAILED, Delivery.created_at >= failed_since]
    statement = (
        update(Delivery)
        .where(*where)
        .values(state=DeliveryState.PENDING, attempts=0, next_attempt_at=now, delivered_at=None)
    )
    return _count(session, statement)


def fail_pending(session: Session, webhook_id: str) -> None:
    """Fail the pending deliveries of an endpoint that has been disabled."""
    session.execute(
        update(Delivery)
        .where(Delivery.webhook_id == webhook_id, Delivery.state == DeliveryState.PENDING)
        .values(state=DeliveryState.FAILED, next_attempt_at=None)
        .execution_options(synchronize_session=False)
    )


def delete_deliveries(session: Session, *, before: datetime) -> int:
    return _count(session, delete(Delivery).where(Delivery.created_at < before))


def _count(session: Session, statement: Any) -> int:
    result = session.execute(statement.execution_options(synchronize_session=False))
    return result.rowcount if isinstance(result, CursorResult) else 0
