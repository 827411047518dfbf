"""One project with its webhooks, and short words for what tests do with them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from service.clock import utc_now
from service.database import Sessions
from service.webhooks.addresses import UrlRules
from service.webhooks.deliveries import (
    deliver,
    due_deliveries,
    list_deliveries,
    ping_webhook,
    redeliver,
)
from service.webhooks.endpoints import create_webhook, get_webhook, update_webhook
from service.webhooks.event_log import record_event
from service.webhooks.schemas import (
    Delivery,
    DeliveryState,
    Redeliver,
    Webhook,
    WebhookCreate,
    WebhookUpdate,
    WebhookWithSecret,
)
from service.webhooks.sender import WebhookSender
from service.webhooks.signatures import WebhookSecrets


@dataclass
class House:
    """One project with its collaborators, and short words for what tests do with it."""

    project_id: str
    sessions: Sessions
    sender: WebhookSender
    secrets: WebhookSecrets
    rules: UrlRules

    def endpoint(self, url: str, *event_types: str) -> WebhookWithSecret:
        return create_webhook(
            WebhookCreate(url=url, event_types=list(event_types) or ["job.*"]),
            project_id=self.project_id,
            sessions=self.sessions,
            secrets=self.secrets,
            rules=self.rules,
        )

    def record(self, type_: str = "job.succeeded") -> None:
        with self.sessions.transaction() as session:
            record_event(
                session,
                project_id=self.project_id,
                type=type_,
                job_id="job_1",
                data={"kind": "tune", "state": "succeeded"},
            )

    def deliver_due(self, now: datetime) -> int:
        due = due_deliveries(now, 100, sessions=self.sessions)
        for delivery_id in due:
            self.deliver(delivery_id, now)
        return len(due)

    def deliver(self, delivery_id: str, now: datetime) -> None:
        self.deliver_by(lambda: now, delivery_id)

    def deliver_by(self, clock: Callable[[], datetime], delivery_id: str) -> None:
        deliver(
            delivery_id,
            sessions=self.sessions,
            sender=self.sender,
            secrets=self.secrets,
            now=clock,
        )

    def deliveries(self, webhook_id: str, state: DeliveryState | None = None) -> list[Delivery]:
        return list_deliveries(
            webhook_id, project_id=self.project_id, state=state, sessions=self.sessions
        )

    def ping(self, webhook_id: str) -> Delivery:
        return ping_webhook(
            webhook_id,
            project_id=self.project_id,
            sessions=self.sessions,
            sender=self.sender,
            secrets=self.secrets,
            now=utc_now(),
        )

    def webhook(self, webhook_id: str) -> Webhook:
        return get_webhook(webhook_id, project_id=self.project_id, sessions=self.sessions)

    def change(self, webhook_id: str, wanted: WebhookUpdate) -> None:
        update_webhook(
            webhook_id,
            wanted,
            project_id=self.project_id,
            expected_version=self.webhook(webhook_id).version,
            sessions=self.sessions,
            rules=self.rules,
        )

    def redeliver(self, webhook_id: str, wanted: Redeliver, now: datetime) -> int:
        return redeliver(
            webhook_id, wanted, project_id=self.project_id, sessions=self.sessions, now=now
        )
