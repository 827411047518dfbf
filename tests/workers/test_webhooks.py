"""A completion is sent to a local receiver, signed, and sent again until it is received."""

from typing import Any

import pytest
from standardwebhooks import Webhook

from service.clock import utc_now
from service.webhooks.endpoints import create_webhook
from service.webhooks.models import Delivery
from service.webhooks.schemas import WebhookCreate
from tests.service.webhooks.receivers import Reply, hanging, receiving
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.journey

HANGING = 5
PREPARE: dict[str, Any] = {
    "preset": "pii",
    "source": {"type": "synthetic", "rows": 120, "seed": 1},
    "train_sizes": [10],
    "test_size": 10,
}


def subscribe(stack: Stack, url: str) -> str:
    """Tell the receiver about jobs that succeeded; return the endpoint's secret."""
    created = create_webhook(
        WebhookCreate(url=url, event_types=["job.succeeded"]),
        project_id=stack.project_id,
        sessions=stack.services.sessions,
        secrets=stack.services.webhook_secrets,
        rules=stack.services.url_rules,
    )
    return created.secret


def make_due(stack: Stack) -> None:
    """Let the time until the next attempt have passed."""
    with stack.services.sessions.transaction() as session:
        for row in session.query(Delivery).filter_by(state="pending"):
            row.next_attempt_at = utc_now()


def test_a_receiver_that_fails_twice_gets_the_completion_a_third_time_and_can_verify_it(
    stack: Stack,
) -> None:
    with receiving(Reply(500), Reply(500), Reply(200)) as receiver:
        secret = subscribe(stack, receiver.url)
        job = stack.succeeded(stack.submit("prepare", PREPARE).id)
        for attempt in (1, 2, 3):
            eventually(
                lambda wanted=attempt: len(receiver.received) >= wanted,  # type: ignore[misc]
                what=f"attempt {attempt} did not come",
            )
            make_due(stack)
        bodies = {request.body for request in receiver.received}
        ids = {request.headers["webhook-id"] for request in receiver.received}
        assert len(bodies) == len(ids) == 1
        for request in receiver.received:
            event = Webhook(secret).verify(request.body, dict(request.headers))
            assert event["type"] == "job.succeeded"
            assert event["job"] == job.id
            assert event["data"]["outputs"] == job.outputs


def test_jobs_end_while_more_endpoints_hang_than_a_worker_has_slots(stack: Stack) -> None:
    with hanging() as endpoints:
        for number in range(HANGING):
            subscribe(stack, f"{endpoints.url}{number}")
        stack.succeeded(stack.submit("prepare", PREPARE).id)
        eventually(lambda: endpoints.asked >= HANGING, what="not every endpoint was asked")
        specs = [{**PREPARE, "source": {**PREPARE["source"], "seed": 100 + n}} for n in range(4)]
        ended = [stack.succeeded(stack.submit("prepare", spec).id) for spec in specs]
        assert len(ended) == len(specs)
        assert not endpoints.gone_on.is_set()  # nor has any of them answered yet
