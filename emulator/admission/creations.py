"""Faults of what creates a tuning or a batch: the rates of calls, drawn for each sending."""

import hashlib
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from emulator.admission.gate import Gate
from emulator.settings import Settings

Handler = Callable[[Request], Awaitable[Response]]


class CreationFaults:
    """Puts faults around handlers: no answer or 500 and 503 before the work, a lost answer after.

    After the work the tuning or batch exists, though its client got no answer.
    """

    def __init__(self, gate: Gate, *, settings: Callable[[], Settings]) -> None:
        self._gate = gate
        self._settings = settings

    def around(self, create: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            digest = hashlib.blake2b(request.url.path.encode(), digest_size=16)
            digest.update(await request.body())
            deliver = self._gate.admit_creation(self._settings(), digest=digest.digest())
            return deliver(await create(request))

        return handle
