"""Endpoints that are gone, failing, or disabled by hand."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from service.clock import utc_now
from service.webhooks.deliveries import due_deliveries
from service.webhooks.event_log import list_events
from service.webhooks.schemas import (
    DeliveryState,
    WebhookState,
    WebhookUpdate,
)
from service.webhooks.sender import WebhookSender
from tests.service.webhooks.house import House
from tests.service.webhooks.receivers import Reply, receiving

FAILING = Reply(500, b"oh dear")


def test_an_endpoint_that_says_gone_is_disabled_at_once_and_the_others_are_notified(
    house: House,
) -> None:
    with receiving(Reply(410)) as gone, receiving() as other:
        endpoint = house.endpoint(gone.url, "*")
        listener = house.endpoint(other.url, "webhook.disabled")
        house.record()
        house.record()
        now = utc_now()
        (first,) = due_deliveries(now, 10, sessions=house.sessions)
        house.deliver(first, now)
        house.deliver_due(utc_now())
    assert len(gone.received) == 1
    assert house.webhook(endpoint.id).state == WebhookState.DISABLED
    assert house.webhook(endpoint.id).version == 2
    states = {delivery.state for delivery in house.deliveries(endpoint.id)}
    assert states == {DeliveryState.FAILED}
    [delivery] = other.received
    payload = json.loads(delivery.body)
    assert payload["type"] == "webhook.disabled"
    assert payload["data"] == {"webhook": endpoint.id, "reason": "gone"}
    assert len(house.deliveries(listener.id)) == 1


def test_an_endpoint_that_fails_for_five_days_is_disabled(house: House) -> None:
    with receiving(FAILING) as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()
        now = utc_now()
        assert house.deliver_due(now) == 1
        assert house.deliver_due(now + timedelta(days=4, hours=23)) == 1
        assert house.webhook(endpoint.id).state == WebhookState.ENABLED
        house.deliver_due(now + timedelta(days=5))
        assert house.webhook(endpoint.id).state == WebhookState.DISABLED
        house.record()
        assert house.deliver_due(now + timedelta(days=9)) == 0
    assert len(receiver.received) == 3
    [event] = list_events(house.project_id, types=["webhook.disabled"], sessions=house.sessions)
    assert event.data == {"webhook": endpoint.id, "reason": "failing"}


def test_an_enabled_endpoint_starts_with_a_clean_record(house: House) -> None:
    with receiving(Reply(410), Reply()) as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()
        house.deliver_due(utc_now())
        house.change(endpoint.id, WebhookUpdate(state=WebhookState.ENABLED))
        assert house.webhook(endpoint.id).failing_since is None
        house.record()
        house.deliver_due(utc_now())
    assert len(receiver.received) == 2


def test_disabling_by_hand_gives_up_what_waits(house: House) -> None:
    with receiving() as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()
        house.change(endpoint.id, WebhookUpdate(state=WebhookState.DISABLED))
        assert house.deliver_due(utc_now()) == 0
    assert receiver.received == []
    assert len(house.deliveries(endpoint.id, state=DeliveryState.FAILED)) == 1


@pytest.mark.parametrize(
    ("status", "state"), [(200, DeliveryState.DELIVERED), (500, DeliveryState.FAILED)]
)
def test_an_attempt_under_way_when_its_endpoint_is_disabled_is_told_as_it_ended(
    house: House, status: int, state: DeliveryState
) -> None:
    with receiving(Reply(status)) as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()

        def disable(*_: object) -> list[str]:
            house.change(endpoint.id, WebhookUpdate(state=WebhookState.DISABLED))
            return ["127.0.0.1"]

        slow = WebhookSender(house.rules, resolver=disable)
        replace(house, sender=slow).deliver_due(utc_now())
    [delivery] = house.deliveries(endpoint.id)
    assert (delivery.state, delivery.attempts, delivery.next_attempt_at) == (state, 1, None)
    assert [attempt.status for attempt in delivery.last_attempts] == [status]
