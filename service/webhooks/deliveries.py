"""Operations on deliveries: find due ones, send, ping, redeliver, list, purge."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any

import structlog

from service.clock import rfc3339
from service.database import Session, Sessions
from service.errors import Conflict
from service.webhooks import repository
from service.webhooks.endpoints import require_webhook, touch
from service.webhooks.event_log import body_of, insert_event, new_delivery, record_event
from service.webhooks.events import EventType
from service.webhooks.models import Delivery as DeliveryRow
from service.webhooks.models import Webhook as WebhookRow
from service.webhooks.ports import Sender, SendResult
from service.webhooks.schedule import has_failed_too_long, next_delay, retry_after
from service.webhooks.schemas import (
    Delivery,
    DeliveryState,
    Redeliver,
    WebhookState,
    present_delivery,
)
from service.webhooks.signatures import WebhookSecrets, sign

_MAX_LOGGED_ATTEMPTS = 10
_AT_ONCE = 50  # deliveries of one message, so that a busy endpoint leaves room for others
_TURN = timedelta(seconds=60)  # so that a slow one keeps no worker that is to stop
_GONE = 410

log = structlog.get_logger()
_random = SystemRandom()


@dataclass(frozen=True, slots=True)
class _AttemptInput:
    """All that an attempt needs, read before it so that no transaction spans the network."""

    delivery_id: str
    webhook_id: str
    project_id: str
    url: str
    body: bytes
    message_id: str
    generations: tuple[int, ...]
    token: datetime | None


def due_deliveries(now: datetime, limit: int, *, sessions: Sessions) -> list[str]:
    """Return deliveries whose time has come: the oldest of each endpoint, longest waiting first.

    None goes to an endpoint that an attempt is under way to.
    """
    with sessions.reading() as session:
        return repository.due_delivery_ids(session, now=now, limit=limit)


def deliver(
    delivery_id: str,
    *,
    sessions: Sessions,
    sender: Sender,
    secrets: WebhookSecrets,
    now: Callable[[], datetime],
) -> None:
    """Make one attempt at a due delivery and, as long as attempts succeed, at the next ones due.

    `now` is asked before each: receivers refuse an old signature, and a claim counts from it. To
    one endpoint one attempt is under way at a time: one that hangs holds one worker. Does nothing
    for a delivery that is not due or claimed by another worker. Raises Unavailable without a master
    key; it is due again in a minute.
    """
    following: str | None = delivery_id
    moment = now()
    ends = moment + _TURN
    for _ in range(_AT_ONCE):
        if following is None or moment > ends:
            return
        with sessions.transaction() as session:
            attempt = _claim(session, following, moment)
        if attempt is None:
            return
        result = _attempt(attempt, sender=sender, secrets=secrets, now=moment)
        moment = now()
        with sessions.transaction() as session:
            _record_attempt(session, attempt, result, now=moment)
            following = repository.next_due(session, attempt.webhook_id, now=moment)
        if not result.succeeded:
            return


def _claim(session: Session, delivery_id: str, now: datetime) -> _AttemptInput | None:
    webhook = repository.endpoint_of(session, delivery_id)
    if webhook is None or _is_sending(webhook, now):
        return None
    row = repository.claim_delivery(session, delivery_id, now=now, until=now + repository.CLAIM)
    if row is None:
        return None
    if webhook.state == WebhookState.DISABLED:
        row.state, row.next_attempt_at = DeliveryState.FAILED.value, None
        return None
    webhook.sending_until = now + repository.CLAIM
    return _pack(row, webhook, now)


def _is_sending(webhook: WebhookRow, now: datetime) -> bool:
    """Return whether an attempt is under way; no claim ends later, but one of a clock set back."""
    return now < (webhook.sending_until or now) <= now + repository.CLAIM


def _pack(row: DeliveryRow, webhook: WebhookRow, now: datetime) -> _AttemptInput:
    overlaps = webhook.previous_until is not None and webhook.previous_until > now
    newest = webhook.generation
    return _AttemptInput(
        delivery_id=row.id,
        webhook_id=webhook.id,
        project_id=row.project_id,
        url=webhook.url,
        body=row.body.encode(),
        message_id=f"{row.event_id}.{webhook.id}",
        generations=(newest, newest - 1) if overlaps else (newest,),
        token=row.next_attempt_at,
    )


def _attempt(
    attempt: _AttemptInput, *, sender: Sender, secrets: WebhookSecrets, now: datetime
) -> SendResult:
    headers = sign(
        attempt.body,
        message_id=attempt.message_id,
        timestamp=now,
        secrets=[secrets.secret(attempt.webhook_id, number) for number in attempt.generations],
    )
    return sender.send(attempt.url, attempt.body, headers=headers)


def _record_attempt(
    session: Session, attempt: _AttemptInput, result: SendResult, *, now: datetime
) -> DeliveryRow | None:
    """Record an attempt, unless the claim was lost or the endpoint deleted meanwhile."""
    webhook = repository.lock_webhook(session, attempt.webhook_id, attempt.project_id)
    row = repository.lock_delivery(session, attempt.delivery_id)
    if webhook is None or row is None or not _is_claimed(row, webhook, attempt):
        log.warning("delivery_claim_lost", delivery_id=attempt.delivery_id)
        return None
    if webhook.sending_until == attempt.token:
        webhook.sending_until = None
    row.attempts += 1
    row.attempt_log = [*row.attempt_log, _log_entry(result, now)][-_MAX_LOGGED_ATTEMPTS:]
    if result.succeeded:
        row.state, row.next_attempt_at, row.delivered_at = DeliveryState.DELIVERED.value, None, now
        webhook.failing_since = None
        return row
    requested = retry_after(result.status or 0, result.retry_after, now=now)
    _schedule(row, requested, now)
    # It did not answer at all, or named a time: the others, too, need not come before.
    if (result.status is None or requested) and row.next_attempt_at:
        repository.postpone_due(session, webhook.id, now=now, until=row.next_attempt_at)
    _disable_if_failing(session, webhook, result, now)
    return row


def _is_claimed(row: DeliveryRow, webhook: WebhookRow, attempt: _AttemptInput) -> bool:
    """Return whether nobody has claimed the delivery since; giving it up claims nothing."""
    is_given_up = row.next_attempt_at is None and webhook.sending_until == attempt.token
    return is_given_up or row.next_attempt_at == attempt.token


def _log_entry(result: SendResult, now: datetime) -> dict[str, Any]:
    return {
        "at": rfc3339(now),
        "status": result.status,
        "error": result.error,
        "latency_ms": result.latency_ms,
        "response": result.excerpt,
    }


def _schedule(row: DeliveryRow, requested: timedelta | None, now: datetime) -> None:
    delay = next_delay(row.attempts, retry_after=requested, jitter=_random.uniform(-1, 1))
    # a ping has no next attempt to begin with, and what was given up meanwhile has none anymore
    if delay is None or row.next_attempt_at is None:
        row.state, row.next_attempt_at = DeliveryState.FAILED.value, None
    else:
        row.next_attempt_at = now + delay


def _disable_if_failing(
    session: Session, webhook: WebhookRow, result: SendResult, now: datetime
) -> None:
    """Disable an endpoint that answered 410, or has failed for five days."""
    webhook.failing_since = webhook.failing_since or now
    gone = result.status == _GONE
    too_long = has_failed_too_long(webhook.failing_since, now)
    if webhook.state == WebhookState.DISABLED or not (gone or too_long):
        return
    webhook.state = WebhookState.DISABLED.value
    touch(webhook)
    session.flush()
    repository.fail_pending(session, webhook.id)
    reason = "gone" if gone else "failing"
    record_event(
        session,
        project_id=webhook.project_id,
        type=EventType.WEBHOOK_DISABLED,
        job_id=None,
        data={"webhook": webhook.id, "reason": reason},
    )
    log.warning("webhook_disabled", webhook_id=webhook.id, reason=reason)


def ping_webhook(
    webhook_id: str,
    *,
    project_id: str,
    sessions: Sessions,
    sender: Sender,
    secrets: WebhookSecrets,
    now: datetime,
) -> Delivery:
    """Send `webhook.ping` to one endpoint, enabled or not, once and at once.

    Takes as long as the endpoint does, 15 seconds at most. Raises NotFound, Unavailable.
    """
    with sessions.transaction() as session:
        row = repository.lock_webhook(session, webhook_id, project_id)
        webhook = require_webhook(row, webhook_id)
        secrets.secret(webhook.id, webhook.generation)  # without a master key, write nothing
        ping = _write_ping(session, webhook)
        attempt = _pack(ping, webhook, now)
    result = _attempt(attempt, sender=sender, secrets=secrets, now=now)
    with sessions.transaction() as session:
        recorded = _record_attempt(session, attempt, result, now=now)
    return present_delivery(recorded or ping)


def _write_ping(session: Session, webhook: WebhookRow) -> DeliveryRow:
    """A ping is an event like others, but it goes to one endpoint and is never due again."""
    event = insert_event(
        session,
        project_id=webhook.project_id,
        event_type=EventType.WEBHOOK_PING,
        job_id=None,
        data={"webhook": webhook.id},
    )
    row = new_delivery(event, webhook.id, body=body_of(event), due=None)
    repository.insert(session, row)
    return row


def list_deliveries(
    webhook_id: str,
    *,
    project_id: str,
    state: DeliveryState | None = None,
    after: str | None = None,
    limit: int = 20,
    sessions: Sessions,
) -> list[Delivery]:
    """Return a page of an endpoint's deliveries, newest first. Raises NotFound."""
    with sessions.reading() as session:
        require_webhook(repository.find_webhook(session, webhook_id, project_id), webhook_id)
        rows = repository.page_of_deliveries(
            session, webhook_id, state=state, after=after, limit=limit
        )
        return [present_delivery(row) for row in rows]


def redeliver(
    webhook_id: str, selection: Redeliver, *, project_id: str, sessions: Sessions, now: datetime
) -> int:
    """Make deliveries due again, with all their attempts; return how many.

    Those that may be on their way this minute are left alone. Raises NotFound, and Conflict
    `webhook_disabled`.
    """
    with sessions.transaction() as session:
        row = repository.lock_webhook(session, webhook_id, project_id)
        if require_webhook(row, webhook_id).state == WebhookState.DISABLED:
            raise Conflict("the webhook is disabled; enable it first", code="webhook_disabled")
        return repository.redeliver_rows(
            session,
            webhook_id,
            delivery_ids=selection.delivery_ids,
            failed_since=selection.since,
            now=now,
            in_flight_until=now + repository.CLAIM,
        )


def purge_deliveries(before: datetime, *, sessions: Sessions) -> int:
    """Delete deliveries older than `before`; return how many."""
    with sessions.transaction() as session:
        return repository.delete_deliveries(session, before=before)
