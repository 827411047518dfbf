"""Operations on endpoints: create, list, change, rotate, delete."""

from collections.abc import Sequence
from datetime import timedelta

from service.clock import utc_now
from service.database import Sessions
from service.errors import Conflict, NotFound, PreconditionFailed
from service.ids import Prefix, new_id
from service.webhooks import repository
from service.webhooks.addresses import UrlRules, check_url
from service.webhooks.models import Webhook as WebhookRow
from service.webhooks.schemas import (
    Webhook,
    WebhookCreate,
    WebhookState,
    WebhookUpdate,
    WebhookWithSecret,
    present_webhook,
)
from service.webhooks.signatures import WebhookSecrets

# Every event is written once for each endpoint, so their number multiplies the cost.
WEBHOOKS_LIMIT = 20


def create_webhook(
    request: WebhookCreate,
    *,
    project_id: str,
    sessions: Sessions,
    secrets: WebhookSecrets,
    rules: UrlRules,
) -> WebhookWithSecret:
    """Make an endpoint. Raises Invalid for the URL, Conflict, Unavailable without master key."""
    now = utc_now()
    row = WebhookRow(
        id=new_id(Prefix.WEBHOOK),
        project_id=project_id,
        url=check_url(request.url, rules=rules),
        event_types=_distinct(request.event_types),
        description=request.description,
        state=WebhookState.ENABLED.value,
        generation=1,
        version=1,
        created_at=now,
        updated_at=now,
    )
    secret = secrets.secret(row.id, row.generation)
    with sessions.transaction() as session:
        if repository.count_webhooks(session, project_id) >= WEBHOOKS_LIMIT:
            message = f"the project has {WEBHOOKS_LIMIT} webhooks; delete one first"
            raise Conflict(message, code="too_many_webhooks")
        repository.insert(session, row)
    return _with_secret(row, secret)


def list_webhooks(
    project_id: str, *, after: str | None = None, limit: int = 20, sessions: Sessions
) -> list[Webhook]:
    """Return a page of endpoints, newest first."""
    with sessions.reading() as session:
        rows = repository.page_of_webhooks(session, project_id, after=after, limit=limit)
        return [present_webhook(row) for row in rows]


def get_webhook(webhook_id: str, *, project_id: str, sessions: Sessions) -> Webhook:
    """Return an endpoint of the project, or raise NotFound `webhook_not_found`."""
    with sessions.reading() as session:
        row = repository.find_webhook(session, webhook_id, project_id)
        return present_webhook(require_webhook(row, webhook_id))


def update_webhook(
    webhook_id: str,
    changes: WebhookUpdate,
    *,
    project_id: str,
    expected_version: int,
    sessions: Sessions,
    rules: UrlRules,
) -> Webhook:
    """Change an endpoint that is still at the expected version.

    Disabling fails its pending deliveries. Raises NotFound, Invalid, PreconditionFailed.
    """
    if changes.url is not None:
        check_url(changes.url, rules=rules)
    with sessions.transaction() as session:
        row = require_webhook(repository.lock_webhook(session, webhook_id, project_id), webhook_id)
        if row.version != expected_version:
            message = f"the webhook is at version {row.version}; read it, then send If-Match again"
            raise PreconditionFailed(message)
        _change(row, changes)
        if row.state == WebhookState.DISABLED:
            repository.fail_pending(session, row.id)
    return present_webhook(row)


def _change(row: WebhookRow, changes: WebhookUpdate) -> None:
    if changes.url is not None and changes.url != row.url:
        row.url, row.held_until = changes.url, None
    row.description = row.description if changes.description is None else changes.description
    if changes.event_types is not None:
        row.event_types = _distinct(changes.event_types)
    if changes.state is not None:
        row.state = changes.state.value
        row.failing_since = row.held_until = None
    touch(row)


def touch(row: WebhookRow) -> None:
    """Raise the version, which is the ETag, after a change."""
    row.version += 1
    row.updated_at = utc_now()


def delete_webhook(webhook_id: str, *, project_id: str, sessions: Sessions) -> None:
    """Delete an endpoint and its deliveries. Raises NotFound."""
    with sessions.transaction() as session:
        row = repository.lock_webhook(session, webhook_id, project_id)
        repository.delete_webhook(session, require_webhook(row, webhook_id))


def rotate_secret(
    webhook_id: str,
    *,
    project_id: str,
    overlap_seconds: int,
    sessions: Sessions,
    secrets: WebhookSecrets,
) -> WebhookWithSecret:
    """Give an endpoint a new secret; the old one signs too until the overlap ends."""
    now = utc_now()
    with sessions.transaction() as session:
        row = require_webhook(repository.lock_webhook(session, webhook_id, project_id), webhook_id)
        secret = secrets.secret(row.id, row.generation + 1)
        row.generation += 1
        row.previous_until = now + timedelta(seconds=overlap_seconds) if overlap_seconds else None
        touch(row)
    return _with_secret(row, secret)


def require_webhook(row: WebhookRow | None, webhook_id: str) -> WebhookRow:
    """Return the row, or raise NotFound `webhook_not_found`."""
    if row is None:
        raise NotFound(f"no webhook {webhook_id}", code="webhook_not_found")
    return row


def _with_secret(row: WebhookRow, secret: str) -> WebhookWithSecret:
    return WebhookWithSecret(**present_webhook(row).model_dump(), secret=secret)


def _distinct(event_types: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(event_types))
