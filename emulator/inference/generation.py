"""One generation: admitted or refused, answered after its delay, and entered in the ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from emulator.admission import Admission
from emulator.errors import GoogleError
from emulator.inference.answers import describe_answers
from emulator.inference.requests import Question, read_question
from emulator.inference.targets import Target, find_target
from emulator.ledger import ModelUse
from emulator.parsing import parse_json
from emulator.state import Emulator, emulator_of
from emulator.tokens import count_tokens


@dataclass(frozen=True, slots=True)
class Call:
    """An accepted call: what is asked of whom."""

    target: Target
    question: Question
    admission: Admission


async def admit(request: Request) -> Call:
    """Return the call of a request. Raises GoogleError, and counts the call as rejected."""
    emulator = emulator_of(request)
    emulator.ledger.receive()
    target = None
    try:
        body = await request.body()
        target = find_target(request.path_params, tunings=emulator.tunings)
        types = emulator.request_types.generate_content
        question = read_question(parse_json(body), types, target=target)
        admission = emulator.gate.admit(
            target.base_model,
            emulator.settings,
            digest=question.digest,
            prompt_tokens=count_tokens(question.text),
        )
    except GoogleError as error:
        emulator.ledger.reject(target.name if target else None, http_code=error.http_code)
        raise
    return Call(target, question, admission)


@contextmanager
def held(emulator: Emulator, call: Call) -> Iterator[ModelUse]:
    """Count an accepted call as billed, and as in flight until the block ends."""
    with (
        call.admission.in_flight(),
        emulator.ledger.accept(
            call.target.name,
            digest=call.question.digest,
            base_model=call.target.base_model,
            tuned=call.target.tuning is not None,
        ) as use,
    ):
        yield use


async def generate(emulator: Emulator, call: Call) -> dict[str, Any]:
    """Return the response body of an accepted call after the delay it was given."""
    with held(emulator, call) as use:
        body = await generate_at_once(emulator, call, use)
        await call.admission.wait()
        return body


async def generate_at_once(emulator: Emulator, call: Call, use: ModelUse) -> dict[str, Any]:
    """Return the response body without its delay, its tokens entered in ledger and quota."""
    response = await respond(emulator, call.target, call.question, attempt=call.admission.attempt)
    return call.admission.finish(
        response,
        use,
        location=call.target.location,
        max_output_tokens=call.question.max_output_tokens,
    )


async def respond(
    emulator: Emulator, target: Target, question: Question, *, attempt: int = 0
) -> dict[str, Any]:
    """Return the response body as the model gives it, without quota, delay, fault or ledger."""
    draws = await emulator.answerer.draw(
        question, tuning=target.tuning, endpoint=target.name, facts=(emulator.settings, attempt)
    )
    return describe_answers(draws, question, model_version=target.model_version)
