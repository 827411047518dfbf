"""One call from its admission to its delivery: quotas, random faults, delay, release."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.responses import Response

from emulator.admission.connections import DroppedResponse, MalformedResponse, TruncatedResponse
from emulator.admission.faults import (
    Fault,
    apply_content_fault,
    content_fault,
    delay_seconds,
    delivery_fault,
    raise_random_error,
)
from emulator.admission.quotas import Quotas
from emulator.ledger import ModelUse
from emulator.settings import Settings

_MOST_ATTEMPTS = 200_000


@dataclass(slots=True)
class Admission:
    """An admitted call; `settings` are those of its base model at that moment."""

    base_model: str
    settings: Settings
    digest: bytes
    attempt: int
    quotas: Quotas
    started: float = field(init=False)
    seconds: float = field(init=False)

    def __post_init__(self) -> None:
        now = time.monotonic()
        hung, self.seconds = delay_seconds(self.settings, digest=self.digest, attempt=self.attempt)
        self.started = now + hung

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Hold the call's place under `concurrent_requests` until the block ends."""
        try:
            yield
        finally:
            self.quotas.release(self.base_model)

    async def wait(self, share: float = 1.0) -> None:
        """Wait until a share of the answer is due; without a delay only yield to other tasks."""
        await asyncio.sleep(self.started + share * self.seconds - time.monotonic())

    def finish(
        self,
        response: Mapping[str, Any],
        use: ModelUse,
        *,
        location: str,
        max_output_tokens: int | None,
    ) -> dict[str, Any]:
        """Return the body the client is to get, its tokens entered in ledger and quota."""
        fault = content_fault(self.settings, digest=self.digest)
        body = apply_content_fault(response, fault, max_output_tokens=max_output_tokens)
        usage = body["usageMetadata"]
        output_tokens = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
        prompt_tokens = usage["promptTokenCount"]
        use.charge(prompt_tokens=prompt_tokens, output_tokens=output_tokens, location=location)
        self.quotas.settle(self.base_model, self.settings, output_tokens=output_tokens)
        return body

    def delivery_fault(self) -> Fault | None:
        return delivery_fault(self.settings, digest=self.digest, attempt=self.attempt)

    def deliver(self, response: Response) -> Response:
        """Return the response, or what becomes of it on its way."""
        return _deliver(response, self.delivery_fault())


def _deliver(response: Response, fault: Fault | None) -> Response:
    match fault:
        case Fault.DROP_AFTER:
            return DroppedResponse()
        case Fault.TRUNCATE:
            return TruncatedResponse(response)
        case Fault.MALFORMED_BODY:
            return MalformedResponse(response)
        case _:
            return response


class Attempts:
    """How often each call was sent, so that a retry draws anew; the oldest are dropped."""

    def __init__(self) -> None:
        self._counts: OrderedDict[bytes, int] = OrderedDict()

    def clear(self) -> None:
        self._counts.clear()

    def next(self, digest: bytes) -> int:
        """Return 0 for the first time, then 1, 2 and so on."""
        attempt = self._counts.pop(digest, -1) + 1
        self._counts[digest] = attempt
        if len(self._counts) > _MOST_ATTEMPTS:
            self._counts.popitem(last=False)
        return attempt


class Gate:
    """Admits calls: random errors first, which cost no quota, then the base model's quotas."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._attempts = Attempts()

    def clear_attempts(self) -> None:
        """Start the draws anew: the next sending of any call counts as its first."""
        self._attempts.clear()

    def admit(
        self, base_model: str, settings: Settings, *, digest: bytes, prompt_tokens: int
    ) -> Admission:
        """Return the admission; its place is released by `in_flight`.

        Raises GoogleError 429, 500 or 503, and DroppedConnectionError where there is no answer.
        """
        own = settings.of_model(base_model)
        attempt = self._attempts.next(digest)
        raise_random_error(own, digest=digest, attempt=attempt)
        self._quotas.admit(base_model, own, tokens=prompt_tokens)
        return Admission(base_model, own, digest, attempt, self._quotas)

    def admit_creation(
        self, settings: Settings, *, digest: bytes
    ) -> Callable[[Response], Response]:
        """Return what becomes of the answer of a creation (a tuning or batch) on its way.

        Raises GoogleError 500 or 503, and DroppedConnectionError where there is no answer.
        """
        attempt = self._attempts.next(digest)
        raise_random_error(settings, digest=digest, attempt=attempt)
        return partial(_deliver, fault=delivery_fault(settings, digest=digest, attempt=attempt))
