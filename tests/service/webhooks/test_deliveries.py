"""Deliveries to real receivers, with time given by the test."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from standardwebhooks import Webhook as Verifier

from service.clock import utc_now
from service.database import Sessions
from service.errors import Conflict, Unavailable
from service.webhooks.addresses import UrlRules
from service.webhooks.operations import (
    create_webhook,
    deliver,
    due_deliveries,
    get_webhook,
    list_deliveries,
    list_events,
    ping_webhook,
    purge_deliveries,
    record_event,
    redeliver,
    rotate_secret,
    update_webhook,
)
from service.webhooks.schemas import (
    Delivery,
    DeliveryState,
    Redeliver,
    Webhook,
    WebhookCreate,
    WebhookState,
    WebhookUpdate,
    WebhookWithSecret,
)
from service.webhooks.sender import WebhookSender
from service.webhooks.signing import WebhookSecrets
from tests.service.webhooks.receivers import Reply, receiving

FAILING = Reply(500, b"oh dear")


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
        deliver(
            delivery_id,
            sessions=self.sessions,
            sender=self.sender,
            secrets=self.secrets,
            now=now,
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


@pytest.fixture
def house(
    project_id: str,
    sessions: Sessions,
    sender: WebhookSender,
    secrets: WebhookSecrets,
    rules: UrlRules,
) -> House:
    return House(project_id, sessions, sender, secrets, rules)


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
        now = utc_now()
        due = [house.deliver_due(now + timedelta(seconds=seconds)) for seconds in (0, 899, 900)]
    assert due == [1, 0, 1]


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


def test_an_endpoint_that_says_gone_is_disabled_at_once_and_the_others_are_told(
    house: House,
) -> None:
    with receiving(Reply(410)) as gone, receiving() as other:
        endpoint = house.endpoint(gone.url, "*")
        listener = house.endpoint(other.url, "webhook.disabled")
        house.record()
        house.record()
        now = utc_now()
        first, second = due_deliveries(now, 10, sessions=house.sessions)
        house.deliver(first, now)
        house.deliver(second, now)
        house.deliver_due(utc_now())
    assert len(gone.received) == 1
    assert house.webhook(endpoint.id).state == WebhookState.DISABLED
    assert house.webhook(endpoint.id).version == 2
    states = {delivery.state for delivery in house.deliveries(endpoint.id)}
    assert states == {DeliveryState.FAILED}
    [told] = other.received
    payload = json.loads(told.body)
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
        start = utc_now()
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
        assert house.deliver_due(utc_now()) == 2
        [newest, _] = house.deliveries(endpoint.id)
        by_id = Redeliver(delivery_ids=[newest.id])
        assert house.redeliver(endpoint.id, by_id, utc_now()) == 1
        assert house.deliver_due(utc_now()) == 1
    first, again = receiver.received[-2], receiver.received[-1]
    assert (first.body, first.headers["webhook-id"]) == (again.body, again.headers["webhook-id"])


def test_a_delivery_that_waits_for_hours_can_be_asked_for_now_but_not_one_in_flight(
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
