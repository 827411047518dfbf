"""An endpoint that hangs holds one worker at a time, and its deliveries wait for each other."""

import threading
from dataclasses import replace
from datetime import timedelta

from service.clock import utc_now
from service.projects.operations import ensure_project
from service.webhooks.deliveries import due_deliveries
from service.webhooks.models import Webhook
from service.webhooks.schemas import DeliveryState
from service.webhooks.sender import WebhookSender
from tests.service.webhooks.house import House
from tests.service.webhooks.receivers import hanging, receiving
from tests.support.eventually import eventually


def test_a_hanging_endpoint_delays_no_other(house: House) -> None:
    other = replace(house, project_id=ensure_project("other", sessions=house.sessions))
    with hanging() as hung, receiving() as receiver:
        house.endpoint(hung.url)
        for _ in range(20):
            house.record()
        now = utc_now() + timedelta(minutes=1)
        (stuck,) = due_deliveries(now, 100, sessions=house.sessions)
        worker = threading.Thread(target=house.deliver, args=(stuck, now))
        worker.start()
        eventually(lambda: hung.asked == 1, pause=0.01, what="nothing was sent")

        other.endpoint(receiver.url)
        other.record()
        due = due_deliveries(now, 100, sessions=house.sessions)
        for each in due:
            house.deliver(each, now)  # the second of two workers

        assert (len(due), len(receiver.received), hung.asked) == (1, 1, 1)
        hung.gone_on.set()
        worker.join()
        assert hung.asked == 20  # once it answers, it gets the others one after the other


def test_an_endpoint_that_never_answers_is_left_alone_as_a_whole(house: House) -> None:
    hurried = WebhookSender(house.rules, connect_seconds=60, overall_seconds=1)
    house = replace(house, sender=hurried)
    with hanging() as hung:
        endpoint = house.endpoint(hung.url)
        for _ in range(5):
            house.record()
        now = utc_now()

        assert house.deliver_due(now) == 1  # it ran into the sender's time limit

        assert hung.asked == 1
        assert due_deliveries(now + timedelta(seconds=3), 9, sessions=house.sessions) == []
        assert len(due_deliveries(now + timedelta(seconds=7), 9, sessions=house.sessions)) == 1
        rows = house.deliveries(endpoint.id)
        assert [row.attempts for row in rows].count(0) == 4
        assert {row.state for row in rows} == {DeliveryState.PENDING}


def test_a_delivery_under_way_when_its_worker_died_continues_after_the_claim(house: House) -> None:
    with receiving() as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()
        now = utc_now()
        with house.sessions.transaction() as session:
            session.get_one(Webhook, endpoint.id).sending_until = now + timedelta(seconds=60)

        assert house.deliver_due(now + timedelta(seconds=59)) == 0
        assert house.deliver_due(now + timedelta(seconds=60)) == 1
        assert len(receiver.received) == 1
