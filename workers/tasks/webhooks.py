"""Tasks of webhook delivery."""

from service.webhooks.deliveries import deliver as deliver_one
from workers.app import app, container
from workers.sweep_task import left_to_the_next_message


@app.task(name="webhooks.deliver")
def deliver(delivery_id: str) -> None:
    services = container()
    with left_to_the_next_message("webhooks.deliver"):
        deliver_one(
            delivery_id,
            sessions=services.sessions,
            sender=services.sender,
            secrets=services.webhook_secrets,
            now=services.sessions.now(),
        )
