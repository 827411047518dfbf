"""An endpoint that hangs holds one worker at a time, and its deliveries wait for each other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from service.clock import utc_now
from service.projects.operations import ensure_project
from service.webhooks.deliveries import due_deliveries
from service.webhooks.models import Webhook
from service.webhooks.schemas import DeliveryState
from tests.service.webhooks.house import House
from tests.service.webhooks.receivers import receiving
from tests.support.eventually import eventually


class Hanging:
    """A receiver that takes a request and answers once it is let go."""

    def __init__(self) -> None:
        self.asked, self.gone_on = 0, threading.Event()
        self.url = ""


@contextmanager
def hanging() -> Iterator[Hanging]:
    state = Hanging()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            state.asked += 1
            state.gone_on.wait()
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        state.gone_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


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


def test_a_delivery_under_way_when_its_worker_died_goes_on_after_the_claim(house: House) -> None:
    with receiving() as receiver:
        endpoint = house.endpoint(receiver.url)
        house.record()
        now = utc_now()
        with house.sessions.transaction() as session:
            session.get_one(Webhook, endpoint.id).sending_until = now + timedelta(seconds=60)

        assert house.deliver_due(now + timedelta(seconds=59)) == 0
        assert house.deliver_due(now + timedelta(seconds=60)) == 1
        assert len(receiver.received) == 1
