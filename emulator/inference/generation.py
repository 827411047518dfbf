"""One generation: admitted or refused, answered after its delay, and entered in the ledger."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from emulator.admission.gate import Admission, Gate
from emulator.errors import GoogleError
from emulator.inference.predictor import Predictor
from emulator.inference.requests import GenerationRequest, read_generation_request
from emulator.inference.responses import response_body, token_count_body
from emulator.inference.targets import Target, find_target
from emulator.inference.tokens import compute_tokens_body
from emulator.ledger import Ledger, ModelUse
from emulator.messages import RequestTypes, parse_json
from emulator.prompts import count_tokens
from emulator.settings import Settings
from emulator.tuning.store import TuningStore


@dataclass(frozen=True, slots=True)
class Call:
    """An accepted call: its target, its request and its admission."""

    target: Target
    request: GenerationRequest
    admission: Admission


class Generator:
    """Answers generateContent and countTokens for base models and tuned ones."""

    def __init__(
        self,
        *,
        tunings: TuningStore,
        predictor: Predictor,
        gate: Gate,
        ledger: Ledger,
        types: RequestTypes,
        settings: Callable[[], Settings],
    ) -> None:
        self.tunings = tunings
        self._predictor = predictor
        self._gate = gate
        self._ledger = ledger
        self._types = types
        self._settings = settings

    async def admit(self, request: Request) -> Call:
        """Return the call of a request. Raises GoogleError, and counts the call as rejected."""
        self._ledger.receive()
        target = None
        try:
            body = await request.body()
            target = find_target(request.path_params, tunings=self.tunings)
            read = self.read(parse_json(body), target=target)
            admission = self._gate.admit(
                target.base_model,
                self._settings(),
                digest=read.digest,
                prompt_tokens=count_tokens(read.text),
            )
        except GoogleError as error:
            self._ledger.reject(target.name if target else None, http_code=error.http_code)
            raise
        return Call(target, read, admission)

    def read(self, document: dict[str, Any], *, target: Target) -> GenerationRequest:
        return read_generation_request(document, self._types.generate_content, target=target)

    def count(self, path: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Return the token count; it is not billed and counts neither in quota nor in ledger."""
        target = find_target(path, tunings=self.tunings)
        types = self._types.count_tokens
        return token_count_body(read_generation_request(parse_json(body), types, target=target))

    def compute_tokens(self, path: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Return the tokens of each content, neither billed nor counted."""
        find_target(path, tunings=self.tunings)
        return compute_tokens_body(parse_json(body), self._types.compute_tokens)

    @contextmanager
    def in_flight(self, call: Call) -> Iterator[ModelUse]:
        """Count an accepted call as billed, and as in flight until the block ends."""
        with (
            call.admission.in_flight(),
            self._ledger.accept(
                call.target.name,
                digest=call.request.digest,
                base_model=call.target.base_model,
                tuned=call.target.tuning is not None,
            ) as use,
        ):
            yield use

    async def generate(self, call: Call) -> dict[str, Any]:
        """Return the response body of an accepted call after its delay."""
        with self.in_flight(call) as use:
            body = await self.generate_at_once(call, use)
            await call.admission.wait()
            return body

    async def generate_at_once(self, call: Call, use: ModelUse) -> dict[str, Any]:
        """Return the response body without its delay, its tokens entered in ledger and quota."""
        attempt = call.admission.attempt
        response = await self.respond(call.target, call.request, attempt=attempt)
        return call.admission.finish(
            response,
            use,
            location=call.target.location,
            max_output_tokens=call.request.max_output_tokens,
        )

    async def respond(
        self, target: Target, request: GenerationRequest, *, attempt: int = 0
    ) -> dict[str, Any]:
        """Return the response body as the model gives it, without quota, delay, fault or ledger."""
        samples = await self._predictor.sample(
            request,
            tuning=target.tuning,
            endpoint=target.name,
            settings=self._settings(),
            attempt=attempt,
        )
        return response_body(samples, request, model_version=target.model_version)
