"""Deliveries to real receivers, with time given by the test."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from standardwebhooks import Webhook as Verifier

from service.clock import utc_now
from service.errors import Unavailable
from service.webhooks.deliveries import due_deliveries
from service.webhooks.endpoints import rotate_secret
from service.webhooks.event_log import list_events
from service.webhooks.models import Webhook
from service.webhooks.schemas import DeliveryState, Redeliver, WebhookState, WebhookUpdate
from service.webhooks.sender import WebhookSender
from service.webhooks.signatures import WebhookSecrets
from tests.service.webhooks.house import House
from tests.service.webhooks.receivers import Reply, receiving

FAILING = Reply(500, b"oh dear")


def test_a_delivery_arrives_signed_and_says_what_happened(house: House) -> None:
    with receiving() as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()
        assert house.deliver_due(utc_now()) == 1
        assert house.deliver_due(utc_now()) == 0
    [received] = receiver.received
    payload = Verifier(endpoint.secret).verify(received.body, received.headers)
    [event] = list_events(house.project_id, sessions=house.sessions)
    assert payload["id"] == event.id
    assert payload["seq"] == event.seq
    assert payload["data"] == {"kind": "tune", "state": "succeeded"}
    assert received.headers["webhook-id"] == f"{event.id}.{endpoint.id}"
    [delivery] = house.deliveries(endpoint.id)
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 1)
    assert delivery.delivered_at is not None
    assert delivery.last_attempts[0].status == 200


def test_a_receiver_that_fails_twice_gets_it_the_third_time(house: House) -> None:
    with receiving(FAILING, FAILING, Reply(204, b"")) as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()
        now = utc_now()
        for seconds, due in [(0, 1), (3.9, 0), (6.1, 1), (6.1 + 239, 0), (6.1 + 361, 1), (9999, 0)]:
            assert house.deliver_due(now + timedelta(seconds=seconds)) == due
    [delivery] = house.deliveries(endpoint.id)
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 3)
    assert [attempt.status for attempt in delivery.last_attempts] == [500, 500, 204]
    assert delivery.last_attempts[0].response == "oh dear"
    assert len({received.body for received in receiver.received}) == 1
    assert len({received.headers["webhook-id"] for received in receiver.received}) == 1
    assert len({received.headers["webhook-timestamp"] for received in receiver.received}) == 3
    assert house.webhook(endpoint.id).failing_since is None


def test_both_secrets_verify_during_a_rotations_overlap_and_one_after_it(house: House) -> None:
    with receiving() as receiver:
        old = house.endpoint(receiver.url)
        new = rotate_secret(
            old.id,
            project_id=house.project_id,
            overlap_seconds=60,
            sessions=house.sessions,
            secrets=house.secrets,
        )
        house.record()
        house.deliver_due(utc_now())
        house.record()
        house.deliver_due(utc_now() + timedelta(seconds=61))
    during, after = receiver.received
    for secret in (old.secret, new.secret):
        Verifier(secret).verify(during.body, during.headers)
    Verifier(new.secret).verify(after.body, after.headers)
    assert len(during.headers["webhook-signature"].split()) == 2
    assert len(after.headers["webhook-signature"].split()) == 1


def test_many_workers_send_one_delivery_once(house: House) -> None:
    with receiving() as receiver:
        house.endpoint(receiver.url)
        house.record()
        now = utc_now()
        [delivery_id] = due_deliveries(now, 10, sessions=house.sessions)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: house.deliver(delivery_id, now), range(8)))
    assert len(receiver.received) == 1


def test_each_of_many_deliveries_has_a_claim_and_a_signature_of_its_own_time(house: House) -> None:
    with receiving() as receiver:
        endpoint = house.endpoint(receiver.url)
        for _ in range(6):
            house.record()
        start = utc_now()

        def clock() -> datetime:
            """A receiver that takes 14 s for each answer."""
            return start + timedelta(seconds=14 * len(receiver.received))

        [first] = due_deliveries(start, 10, sessions=house.sessions)
        house.deliver_by(clock, first)
    times = [int(each.headers["webhook-timestamp"]) for each in receiver.received]
    assert [time - times[0] for time in times] == [0, 14, 28, 42, 56]  # a turn has a minute
    states = [(row.state, row.attempts) for row in reversed(house.deliveries(endpoint.id))]
    assert states == [(DeliveryState.DELIVERED, 1)] * 5 + [(DeliveryState.PENDING, 0)]


@pytest.mark.parametrize("back", [timedelta(minutes=10), timedelta(days=30)])
def test_a_clock_that_is_set_back_holds_no_delivery_up(house: House, back: timedelta) -> None:
    with receiving(FAILING, Reply()) as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()
        with house.sessions.transaction() as session:  # its worker died in an attempt
            session.get_one(Webhook, endpoint.id).sending_until = utc_now() + timedelta(seconds=60)
        now = utc_now() - back
        due = [house.deliver_due(now + timedelta(seconds=seconds)) for seconds in (0, 3, 7, 9999)]
    assert due == [1, 0, 1, 0]
    assert len(receiver.received) == 2


def test_a_delivery_whose_worker_died_is_due_again_after_its_claim(house: House) -> None:
    with receiving() as receiver:
        house.endpoint(receiver.url)
        house.record()
        now = utc_now()
        keyless = House(
            house.project_id, house.sessions, house.sender, WebhookSecrets(""), house.rules
        )
        with pytest.raises(Unavailable):
            keyless.deliver_due(now)
        assert house.deliver_due(now + timedelta(seconds=59)) == 0
        assert house.deliver_due(now + timedelta(seconds=60)) == 1
    assert len(receiver.received) == 1


def test_an_attempt_that_outlived_its_claim_changes_nothing(house: House) -> None:
    with receiving(Reply(), FAILING) as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()
        now = utc_now()

        def overtake(*_: object) -> list[str]:
            """Another worker delivers while this one still looks for the address."""
            house.deliver_due(now + timedelta(seconds=60))
            return ["127.0.0.1"]

        slow = WebhookSender(house.rules, resolver=overtake)
        House(house.project_id, house.sessions, slow, house.secrets, house.rules).deliver_due(now)
    assert len(receiver.received) == 2
    [delivery] = house.deliveries(endpoint.id)
    assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 1)


def test_after_the_last_attempt_a_delivery_has_failed(house: House) -> None:
    with receiving(FAILING) as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()
        now = utc_now()
        for _ in range(10):
            assert house.deliver_due(now) == 1
            # a success in between keeps the endpoint enabled over these days
            receiver.replies = [Reply()]
            house.ping(endpoint.id)
            receiver.replies = [FAILING]
            now += timedelta(hours=29)
        assert house.deliver_due(now + timedelta(days=9)) == 0
    delivery = house.deliveries(endpoint.id)[-1]
    assert (delivery.state, delivery.attempts) == (DeliveryState.FAILED, 10)
    assert delivery.next_attempt_at is None
    assert len(delivery.last_attempts) == 10
    assert house.webhook(endpoint.id).state == WebhookState.ENABLED


def test_a_busy_receiver_is_left_alone_for_as_long_as_it_asks(house: House) -> None:
    with receiving(Reply(503, headers={"Retry-After": "900"}), Reply()) as receiver:
        house.endpoint(receiver.url)
        house.record()
        house.record()
        now = utc_now()
        due = [house.deliver_due(now + timedelta(seconds=seconds)) for seconds in (0, 899, 900)]
    assert due == [1, 0, 1]
    assert len(receiver.received) == 3


def test_what_happens_meanwhile_waits_for_a_busy_receiver_too(house: House) -> None:
    with receiving(Reply(429, headers={"Retry-After": "900"}), Reply()) as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()
        now = utc_now()
        house.deliver_due(now)
        house.record()
        house.redeliver(endpoint.id, Redeliver(since=now - timedelta(days=1)), now)
        held_until = house.webhook(endpoint.id).held_until
        assert held_until == now + timedelta(seconds=900)
        assert {row.next_attempt_at for row in house.deliveries(endpoint.id)} == {held_until}
        due = [house.deliver_due(now + timedelta(seconds=seconds)) for seconds in (5, 899, 900)]
    assert due == [0, 0, 1]
    assert len(receiver.received) == 3
    assert house.webhook(endpoint.id).held_until is None


@pytest.mark.parametrize("change", ["enabled", "another address", "answered ping", "clock"])
def test_a_pause_that_a_receiver_asked_for_ends_with_what_made_it(
    house: House, change: str
) -> None:
    busy = Reply(503, headers={"Retry-After": "80000"})
    with receiving(busy, Reply()) as receiver:
        endpoint = house.endpoint(receiver.url)
        assert house.ping(endpoint.id).state == DeliveryState.FAILED
        house.record()
        assert house.deliver_due(utc_now()) == 0
        if change == "enabled":
            for state in (WebhookState.DISABLED, WebhookState.ENABLED):
                house.change(endpoint.id, WebhookUpdate(state=state))
            house.record()
        elif change == "another address":
            house.change(endpoint.id, WebhookUpdate(url=receiver.url + "/new"))
        elif change == "answered ping":
            house.ping(endpoint.id)
        ago = timedelta(days=30 if change == "clock" else 0)
        assert house.deliver_due(utc_now() - ago) == 1
    assert house.webhook(endpoint.id).held_until is None


def test_a_redirect_and_an_unreachable_receiver_are_failures(house: House) -> None:
    with receiving(Reply(302, headers={"Location": "http://127.0.0.1:1/"})) as moved:
        with receiving() as away:
            pass
        redirected, unreachable = house.endpoint(moved.url), house.endpoint(away.url)
        house.record()
        house.deliver_due(utc_now())
    for endpoint, status, error in [
        (redirected, 302, None),
        (unreachable, None, "connection_failed"),
    ]:
        [delivery] = house.deliveries(endpoint.id)
        assert delivery.state == DeliveryState.PENDING
        assert delivery.next_attempt_at is not None
        [attempt] = delivery.last_attempts
        assert (attempt.status, attempt.error) == (status, error)
