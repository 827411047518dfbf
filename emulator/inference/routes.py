"""generateContent and countTokens on publisher models and tuned endpoints."""

import asyncio
import time
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.errors import GoogleError
from emulator.inference.answers import describe_answer, describe_token_count, limit_answer
from emulator.inference.requests import Question, read_question
from emulator.parsing import parse_json
from emulator.projects import project_number
from emulator.state import Emulator, emulator_of
from emulator.tuning.catalogue import is_known_model, model_name
from emulator.tuning.records import Tuning


@dataclass(frozen=True, slots=True)
class Target:
    """What is called: `name` in the ledger, the base model for the quota, the tuning if tuned."""

    name: str
    base_model: str
    model_version: str
    tuning: Tuning | None = None


def _find_target(request: Request) -> Target:
    """Return the model or endpoint of a path. Raises GoogleError 404 for one that is not there."""
    path = request.path_params
    if "endpoint" in path:
        number = project_number(path["project"])
        name = f"projects/{number}/locations/{path['location']}/endpoints/{path['endpoint']}"
        tuning = emulator_of(request).tunings.serving(name)
        base_model = tuning.base_model
        return Target(name, base_model, base_model, tuning)
    model = path["model"]
    base_model = model_name(model)
    if path["publisher"] != "google" or not is_known_model(base_model):
        raise _unknown_model(request)
    return Target(base_model, base_model, model)


def _unknown_model(request: Request) -> GoogleError:
    path = request.path_params
    name = (
        f"projects/{path['project']}/locations/{path['location']}"
        f"/publishers/{path['publisher']}/models/{path['model']}"
    )
    return GoogleError(
        404,
        f"Publisher Model `{name}` was not found or your project does not have access to it. "
        "Please ensure you are using a valid model version.",
    )


async def generate_content(request: Request) -> Response:
    emulator = emulator_of(request)
    emulator.ledger.receive()
    target = None
    try:
        body = await request.body()
        target = _find_target(request)
        types = emulator.request_types.generate_content
        question = read_question(parse_json(body), types, model=target.name)
        emulator.quotas.admit(target.base_model, emulator.settings)
    except GoogleError:
        emulator.ledger.reject(target.name if target else None)
        raise
    return await _generate(emulator, target, question)


async def _generate(emulator: Emulator, target: Target, question: Question) -> Response:
    delay_seconds = emulator.latency.next_seconds(emulator.settings)
    due = time.monotonic() + delay_seconds
    with emulator.ledger.accept(target.name, digest=question.digest) as use:
        text = await emulator.answerer.answer(question, tuning=target.tuning)
        await asyncio.sleep(due - time.monotonic())
        answer = limit_answer(
            text,
            max_output_tokens=question.max_output_tokens,
            stop_sequences=question.stop_sequences,
        )
        response = describe_answer(answer, question, model_version=target.model_version)
        use.prompt_tokens += response["usageMetadata"]["promptTokenCount"]
        use.output_tokens += answer.tokens * question.candidate_count
    return JSONResponse(response)


async def count_tokens(request: Request) -> Response:
    """Count; it is not billed, so it neither takes from the quota nor enters the ledger."""
    body = await request.body()
    target = _find_target(request)
    types = emulator_of(request).request_types.count_tokens
    return JSONResponse(
        describe_token_count(read_question(parse_json(body), types, model=target.name))
    )


def inference_routes(version: str) -> list[Route]:
    home = f"/{version}/projects/{{project}}/locations/{{location}}"
    model = f"{home}/publishers/{{publisher}}/models/{{model}}"
    endpoint = f"{home}/endpoints/{{endpoint}}"
    return [
        Route(f"{place}:{verb}", handler, methods=["POST"])
        for place in (model, endpoint)
        for verb, handler in (("generateContent", generate_content), ("countTokens", count_tokens))
    ]
