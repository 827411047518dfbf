"""Pings, sending again, lists and purging."""

import json
from datetime import timedelta

import pytest

from service.clock import utc_now
from service.errors import Conflict
from service.webhooks.deliveries import list_deliveries, purge_deliveries
from service.webhooks.event_log import list_events
from service.webhooks.schemas import (
    DeliveryState,
    Redeliver,
    WebhookState,
    WebhookUpdate,
)
from tests.service.webhooks.house import House
from tests.service.webhooks.receivers import Reply, receiving

FAILING = Reply(500, b"oh dear")


def test_a_ping_is_sent_once_to_one_endpoint_and_answers_with_its_delivery(house: House) -> None:
    with receiving() as receiver, receiving(FAILING) as failing, receiving() as other:
        good, bad = house.endpoint(receiver.url), house.endpoint(failing.url)
        house.endpoint(other.url, "*")
        delivered, failed = house.ping(good.id), house.ping(bad.id)
        assert house.deliver_due(utc_now() + timedelta(days=1)) == 0
    assert (delivered.state, delivered.event_type) == (DeliveryState.DELIVERED, "webhook.ping")
    assert (failed.state, failed.last_attempts[0].status) == (DeliveryState.FAILED, 500)
    assert json.loads(receiver.received[0].body)["type"] == "webhook.ping"
    assert [len(each.received) for each in (receiver, failing, other)] == [1, 1, 0]
    seqs = [event.seq for event in list_events(house.project_id, sessions=house.sessions)]
    assert seqs == [1, 2]


def test_a_disabled_endpoint_can_be_pinged_before_it_is_enabled(house: House) -> None:
    with receiving() as receiver:
        endpoint = house.endpoint(receiver.url)
        house.change(endpoint.id, WebhookUpdate(state=WebhookState.DISABLED))
        assert house.ping(endpoint.id).state == DeliveryState.DELIVERED


def test_failed_deliveries_are_sent_again_by_time_or_by_id(house: House) -> None:
    with receiving(Reply(410), Reply()) as receiver:
        endpoint = house.endpoint(receiver.url)
        start = utc_now() - timedelta(milliseconds=1)  # SQLite's clock drops what is below
        house.record("job.failed")
        house.record("job.succeeded")
        house.deliver_due(utc_now())
        by_time = Redeliver(since=start)
        with pytest.raises(Conflict):
            house.redeliver(endpoint.id, by_time, utc_now())
        house.change(endpoint.id, WebhookUpdate(state=WebhookState.ENABLED))
        later = Redeliver(since=utc_now() + timedelta(hours=1))
        assert house.redeliver(endpoint.id, later, utc_now()) == 0
        assert house.redeliver(endpoint.id, by_time, utc_now()) == 2
        assert house.redeliver(endpoint.id, by_time, utc_now()) == 0
        assert house.deliver_due(utc_now()) == 1  # the second follows the first
        assert len(receiver.received) == 3
        [newest, _] = house.deliveries(endpoint.id)
        by_id = Redeliver(delivery_ids=[newest.id])
        assert house.redeliver(endpoint.id, by_id, utc_now()) == 1
        assert house.deliver_due(utc_now()) == 1
    first, again = receiver.received[-2], receiver.received[-1]
    assert (first.body, first.headers["webhook-id"]) == (again.body, again.headers["webhook-id"])


def test_a_delivery_that_waits_for_hours_can_be_sent_now_but_not_one_in_flight(
    house: House,
) -> None:
    with receiving(FAILING, FAILING, FAILING, Reply()) as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()
        start = utc_now()
        house.deliver_due(start)
        [delivery] = house.deliveries(endpoint.id)
        wanted = Redeliver(delivery_ids=[delivery.id])
        assert house.redeliver(endpoint.id, wanted, start) == 0
        house.deliver_due(start + timedelta(seconds=7))
        assert house.redeliver(endpoint.id, wanted, start + timedelta(seconds=8)) == 1
        assert house.deliver_due(start + timedelta(seconds=8)) == 1
    assert len(receiver.received) == 3


def test_deliveries_are_listed_page_by_page_newest_first(house: House) -> None:
    endpoint = house.endpoint("https://hooks.example.com/")
    for _ in range(4):
        house.record()
    whole = [delivery.id for delivery in house.deliveries(endpoint.id)]
    assert whole == sorted(whole, reverse=True)
    page = list_deliveries(
        endpoint.id,
        project_id=house.project_id,
        after=whole[1],
        limit=1,
        sessions=house.sessions,
    )
    assert [delivery.id for delivery in page] == [whole[2]]
    assert house.deliveries(endpoint.id, state=DeliveryState.DELIVERED) == []


def test_old_deliveries_are_forgotten(house: House) -> None:
    endpoint = house.endpoint("https://hooks.example.com/")
    house.record()
    assert purge_deliveries(utc_now() - timedelta(days=1), sessions=house.sessions) == 0
    assert purge_deliveries(utc_now() + timedelta(seconds=1), sessions=house.sessions) == 1
    assert house.deliveries(endpoint.id) == []
