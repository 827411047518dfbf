"""Operations on deliveries: find due ones, send, ping, redeliver, list, purge."""

from collections.abc import Callable
from datetime import datetime, timedelta

from service.database import Session, Sessions
from service.errors import Conflict
from service.webhooks import repository
from service.webhooks.attempts import AttemptInput, pack, record_attempt, send
from service.webhooks.endpoints import require_webhook
from service.webhooks.event_log import body_of, insert_event, new_delivery
from service.webhooks.events import EventType
from service.webhooks.models import Delivery as DeliveryRow
from service.webhooks.models import Webhook as WebhookRow
from service.webhooks.ports import Sender
from service.webhooks.schedule import RETRY_AFTER_LIMIT
from service.webhooks.schemas import (
    Delivery,
    DeliveryState,
    Redeliver,
    WebhookState,
    present_delivery,
)
from service.webhooks.signatures import WebhookSecrets

_AT_ONCE = 50  # deliveries of one message, so that a busy endpoint leaves room for others
_TURN = timedelta(seconds=60)  # so that a slow one keeps no worker that is to stop


def due_deliveries(now: datetime, limit: int, *, sessions: Sessions) -> list[str]:
    """Return deliveries whose time has come: the oldest of each endpoint, longest waiting first.

    None goes to an endpoint that an attempt is under way to, or that has asked to be left alone.
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
        result = send(attempt, sender=sender, secrets=secrets, now=moment)
        moment = now()
        with sessions.transaction() as session:
            record_attempt(session, attempt, result, now=moment)
            following = repository.next_due(session, attempt.webhook_id, now=moment)
        if not result.succeeded:
            return


def _claim(session: Session, delivery_id: str, now: datetime) -> AttemptInput | None:
    webhook = repository.endpoint_of(session, delivery_id)
    if webhook is None or _may_not_send(webhook, now):
        return None
    row = repository.claim_delivery(session, delivery_id, now=now, until=now + repository.CLAIM)
    if row is None:
        return None
    if webhook.state == WebhookState.DISABLED:
        row.state, row.next_attempt_at = DeliveryState.FAILED.value, None
        return None
    webhook.sending_until = now + repository.CLAIM
    return pack(row, webhook, now)


def _may_not_send(webhook: WebhookRow, now: datetime) -> bool:
    """Return whether an attempt is under way or the receiver has asked for a pause.

    What ends later than these may last was written by a clock that has been set back since.
    """
    is_sending = now < (webhook.sending_until or now) <= now + repository.CLAIM
    return is_sending or now < (webhook.held_until or now) <= now + RETRY_AFTER_LIMIT


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
        attempt = pack(ping, webhook, now)
    result = send(attempt, sender=sender, secrets=secrets, now=now)
    with sessions.transaction() as session:
        recorded = record_attempt(session, attempt, result, now=now)
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
        row = repository.find_webhook(session, webhook_id, project_id)
        held_until = require_webhook(row, webhook_id).held_until
        rows = repository.page_of_deliveries(
            session, webhook_id, state=state, after=after, limit=limit
        )
        return [present_delivery(row, held_until=held_until) for row in rows]


def redeliver(
    webhook_id: str, selection: Redeliver, *, project_id: str, sessions: Sessions, now: datetime
) -> int:
    """Make deliveries due again, with all their attempts; return how many.

    Those that may be on their way this minute are left alone, and none is sent before a busy
    endpoint may be sent to. Raises NotFound, and Conflict
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
