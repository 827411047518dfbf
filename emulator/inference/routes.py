"""generateContent, streamGenerateContent and countTokens on publisher models and endpoints."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.inference.answers import describe_token_count
from emulator.inference.generation import admit, generate
from emulator.inference.requests import read_question
from emulator.inference.streaming import stream_content
from emulator.inference.targets import find_target
from emulator.parsing import encode_json, parse_json
from emulator.state import emulator_of


async def generate_content(request: Request) -> Response:
    call = await admit(request)
    body = encode_json(await generate(emulator_of(request), call))
    response = Response(body, media_type="application/json")
    return call.admission.deliver(response)


async def count_tokens(request: Request) -> Response:
    """Count; it is not billed, so it neither takes from the quota nor enters the ledger."""
    body = await request.body()
    target = find_target(request.path_params, tunings=emulator_of(request).tunings)
    types = emulator_of(request).request_types.count_tokens
    return JSONResponse(describe_token_count(read_question(parse_json(body), types, target=target)))


_VERBS = {
    "generateContent": generate_content,
    "streamGenerateContent": stream_content,
    "countTokens": count_tokens,
}


def inference_routes(version: str) -> list[Route]:
    home = f"/{version}/projects/{{project}}/locations/{{location}}"
    model = f"{home}/publishers/{{publisher}}/models/{{model}}"
    endpoint = f"{home}/endpoints/{{endpoint}}"
    return [
        Route(f"{place}:{verb}", handler, methods=["POST"])
        for place in (model, endpoint)
        for verb, handler in _VERBS.items()
    ]
