"""Single calls: one text put to a base or tuned model, answered whole or piece by piece."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BeforeValidator
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.auth import Writer
from api.dependencies import Services
from api.generation_stream import HEADERS, answered, event_text, stream_answer
from api.job_requests import storable
from api.key_slots import KeySlots
from api.openapi import WITH_BODY, answers, example_of
from service.catalogue.entry import BASE_MODEL_PATTERN
from service.generation.operations import plan_call, start_call
from service.generation.schemas import GeneratedText, GenerateRequest

router = APIRouter(prefix="/v1/models", tags=["models"])

ModelName = Annotated[
    str,
    Path(
        pattern=BASE_MODEL_PATTERN,
        description="id of a tuned model, alias, or name of a base model",
        examples=["gemini-3.1-flash-lite"],
    ),
]
_ANSWERS = answers(example_of(GeneratedText), *WITH_BODY, 404, 409, 502, sends=("Cache-Control",))
_ANSWERS[200]["content"]["text/event-stream"] = {
    "schema": {"type": "string"},
    "example": event_text("text", '{"text": "[GIVENNAME]"}'),
}


@router.post(
    "/{model}/generate",
    operation_id="generateText",
    summary="Put one text to a model",
    response_model=GeneratedText,
    responses=_ANSWERS,
)
async def generate_text(
    model: ModelName,
    wanted: Annotated[GenerateRequest, BeforeValidator(storable)],
    request: Request,
    principal: Writer,
    container: Services,
) -> Response:
    """Under the same quota as jobs, entered in the project's usage, and stored nowhere.

    With `stream` the answer is server-sent events: `text` for each piece, then `done` with the
    whole object, or `error` with a problem.
    """
    services = container.generation
    call = await run_in_threadpool(
        plan_call, model, wanted, project_id=principal.project_id, services=services
    )
    send = partial(start_call, call, limits=principal.limits, services=services)
    slots: KeySlots = request.app.state.generation_slots
    if wanted.stream:
        return await stream_answer(call, send, slots=slots, key_id=principal.key_id)
    async with slots.held(principal.key_id):
        answer = await answered(call, send())
    return Response(answer.model_dump_json(), headers=HEADERS, media_type="application/json")
