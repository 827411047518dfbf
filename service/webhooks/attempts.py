"""One attempt at a delivery: what it needs, how it is made, what its end changes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any

import structlog

from service.clock import rfc3339
from service.database import Session
from service.webhooks import repository
from service.webhooks.endpoints import touch
from service.webhooks.event_log import record_event
from service.webhooks.events import EventType
from service.webhooks.models import Delivery as DeliveryRow
from service.webhooks.models import Webhook as WebhookRow
from service.webhooks.ports import Sender, SendResult
from service.webhooks.schedule import has_failed_too_long, next_delay, retry_after
from service.webhooks.schemas import DeliveryState, WebhookState
from service.webhooks.signatures import WebhookSecrets, sign

_MAX_LOGGED_ATTEMPTS = 10
_GONE = 410

log = structlog.get_logger()
_random = SystemRandom()


@dataclass(frozen=True, slots=True)
class AttemptInput:
    """All that an attempt needs, read before it so that no transaction spans the network."""

    delivery_id: str
    webhook_id: str
    project_id: str
    url: str
    body: bytes
    message_id: str
    generations: tuple[int, ...]
    token: datetime | None


def pack(row: DeliveryRow, webhook: WebhookRow, now: datetime) -> AttemptInput:
    overlaps = webhook.previous_until is not None and webhook.previous_until > now
    newest = webhook.generation
    return AttemptInput(
        delivery_id=row.id,
        webhook_id=webhook.id,
        project_id=row.project_id,
        url=webhook.url,
        body=row.body.encode(),
        message_id=f"{row.event_id}.{webhook.id}",
        generations=(newest, newest - 1) if overlaps else (newest,),
        token=row.next_attempt_at,
    )


def send(
    attempt: AttemptInput, *, sender: Sender, secrets: WebhookSecrets, now: datetime
) -> SendResult:
    headers = sign(
        attempt.body,
        message_id=attempt.message_id,
        timestamp=now,
        secrets=[secrets.secret(attempt.webhook_id, number) for number in attempt.generations],
    )
    return sender.send(attempt.url, attempt.body, headers=headers)


def record_attempt(
    session: Session, attempt: AttemptInput, result: SendResult, *, now: datetime
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
        webhook.failing_since = webhook.held_until = None
        return row
    requested = retry_after(result.status or 0, result.retry_after, now=now)
    _schedule(row, requested, now)
    if requested:
        webhook.held_until = now + requested
    elif result.status is None and row.next_attempt_at:  # the others, too, would find nobody
        repository.postpone_due(session, webhook.id, now=now, until=row.next_attempt_at)
    _disable_if_failing(session, webhook, result, now)
    return row


def _is_claimed(row: DeliveryRow, webhook: WebhookRow, attempt: AttemptInput) -> bool:
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
