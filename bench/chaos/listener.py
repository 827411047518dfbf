"""A webhook receiver in the storm: as faulty as the provider, and it keeps account of what came."""

import contextlib
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook as Verifier

from service.webhooks.endpoints import create_webhook
from service.webhooks.models import Delivery
from service.webhooks.schemas import DeliveryState, WebhookCreate
from tests.support.eventually import eventually
from tests.support.serving import serving
from tests.support.stack import Stack

_OK, _GONE_BY = 200, 16.0  # seconds: longer than a sender waits
# Of a hundred requests: no answer at all, one that comes too late, and those of these statuses.
_FAULTS = ["cut"] * 6 + ["hang"] * 2 + [500] * 6 + [503, 429, 429] * 2 + [302, 404]


class Listener:
    """What came, by `webhook-id`: bodies, and how often it was answered with success."""

    def __init__(self, seed: int) -> None:
        self.secret = self.url = ""
        self.bodies: dict[str, set[bytes]] = defaultdict(set)
        self.taken: Counter[str] = Counter()
        self.badly_signed = 0
        self.is_well = threading.Event()
        self._draw = random.Random(seed)  # noqa: S311  the same storm again, nothing secret

    def subscribe(self, stack: Stack) -> None:
        services = stack.services
        made = create_webhook(
            WebhookCreate(url=self.url),
            project_id=stack.project_id,
            sessions=services.sessions,
            secrets=services.webhook_secrets,
            rules=services.url_rules,
        )
        self.secret = made.secret

    def fault(self) -> Any:
        drawn = self._draw.randrange(100)
        return None if self.is_well.is_set() or drawn >= len(_FAULTS) else _FAULTS[drawn]

    def note(self, headers: dict[str, str], body: bytes) -> str:
        """Take a message, perhaps again, and return its id."""
        name = headers["webhook-id"]
        sent = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        expected = Verifier(self.secret).sign(name, sent, body.decode())
        self.badly_signed += expected not in headers["webhook-signature"].split()
        self.bodies[name].add(body)
        return name


def _handler_of(listener: Listener) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            name = listener.note({each.lower(): it for each, it in self.headers.items()}, body)
            fault = listener.fault()
            if fault == "cut":
                return
            if fault == "hang":
                listener.is_well.wait(_GONE_BY)
                return
            self.send_response(fault or _OK)
            if fault:
                self.send_header("Retry-After", "1")
                self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            listener.taken[name] += not fault

        def log_message(self, *_: object) -> None:
            """Keep the bench's output quiet."""

    return Handler


@contextlib.contextmanager
def listening(seed: int) -> Iterator[Listener]:
    listener = Listener(seed)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(listener))
    listener.url = f"http://127.0.0.1:{server.server_address[1]}/"
    with serving(server):
        try:
            yield listener
        finally:
            listener.is_well.set()


def account(listener: Listener, stack: Stack) -> dict[str, Any]:
    """Let the receiver be well and the time until the next tries have passed; say what came."""
    listener.is_well.set()

    def all_have_ended() -> bool:
        with stack.services.sessions.transaction() as session:
            waiting = session.query(Delivery).filter_by(state=DeliveryState.PENDING)
            later = stack.services.sessions.now() + timedelta(minutes=2)  # not under way
            for row in waiting.filter(Delivery.next_attempt_at > later):
                row.next_attempt_at = stack.services.sessions.now()
            return waiting.count() == 0

    with contextlib.suppress(AssertionError):
        eventually(all_have_ended, seconds=150, pause=1, what="deliveries end")
    with stack.services.sessions.reading() as session:
        rows = session.query(Delivery).all()
    told = {f"{row.event_id}.{row.webhook_id}" for row in rows if row.state == "delivered"}
    wrong = {
        "not delivered": len(rows) - len(told),
        "told and never taken": len(told - set(+listener.taken)),
        "badly signed": listener.badly_signed,
        "of two bodies": sum(len(each) > 1 for each in listener.bodies.values()),
    }
    return {
        "delivered": len(told),
        "attempts": sum(row.attempts for row in rows),
        "taken again": sum(count - 1 for count in listener.taken.values() if count > 1),
        "wrong": {name: count for name, count in wrong.items() if count},
    }
