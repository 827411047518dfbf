"""batchPredictionJobs: create, get, list, cancel and delete."""

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.batch.queue import Answers
from emulator.batch.records import ENDED, BatchJob, State
from emulator.batch.requests import read_batch_order
from emulator.batch.rows import Answer
from emulator.errors import GoogleError
from emulator.faults import refuse_row_by_chance
from emulator.filters import Fields, read_filter
from emulator.inference.generation import respond
from emulator.inference.requests import read_question
from emulator.inference.targets import Target, endpoint_target, publisher_target
from emulator.models.operations import done_operation
from emulator.models.resources import endpoints_of, model_of
from emulator.paging import page_of
from emulator.parsing import parse_json
from emulator.projects import project_number
from emulator.state import Emulator, emulator_of
from emulator.timestamps import timestamp
from emulator.tuning.records import Tuning

_FIELDS: Fields = {
    "display_name": lambda job: job.requested.get("displayName"),
    "state": lambda job: job.state.value,
    "model": lambda job: job.model,
    "labels": lambda job: job.requested.get("labels", {}),
}


def find_batch_target(emulator: Emulator, model: str, *, place: str) -> Target:
    """Return what a job's model name means at a place (`projects/NUMBER/locations/LOCATION`).

    Raises GoogleError 404 for what is not there, 400 for a tuned Gemini 3, which has no batches.
    """
    if "/publishers/" in f"/{model}":
        publisher = f"/{model}".partition("/publishers/")[2].partition("/")[0]
        return publisher_target(model, publisher=publisher)
    name = _with_number(model.partition("@")[0])
    found = next(
        (endpoint for each in emulator.tunings.all() if (endpoint := _serving(each, name))), None
    )
    if found is None or not name.startswith(f"{place}/"):
        raise GoogleError(404, f"Model {model} is not found.")
    target = endpoint_target(emulator, found)
    if target.base_model.startswith("gemini-3"):
        message = f"Batch prediction is not supported for tuned {target.base_model} models."
        raise GoogleError(400, message)
    return target


def _serving(tuning: Tuning, name: str) -> str | None:
    """Return the endpoint that serves a model's or endpoint's name, None when it is not its own."""
    if name == tuning.model.partition("@")[0]:
        return tuning.endpoint if model_of(tuning) else None
    return name if name in {endpoint.name for endpoint in endpoints_of(tuning)} else None


def _with_number(name: str) -> str:
    head, _, rest = name.removeprefix("projects/").partition("/")
    return f"projects/{project_number(head)}/{rest}"


def answers_in(emulator: Emulator) -> Answers:
    """Return what answers the rows of jobs: the models, without quota or delay."""

    def answers(job: BatchJob) -> Answer:
        target = find_batch_target(emulator, job.model, place=job.parent)
        types = emulator.request_types.generate_content

        async def answer(document: dict[str, Any]) -> dict[str, Any]:
            question = read_question(document, types, model=target.name)
            settings = emulator.settings.of_model(target.base_model)
            refuse_row_by_chance(settings, digest=question.digest)
            response = await respond(emulator, target, question)
            return response | {"modelVersion": f"{target.base_model}@default"}

        return answer

    return answers


def _place(request: Request) -> str:
    path = request.path_params
    return f"projects/{project_number(path['project'])}/locations/{path['location']}"


async def create_batch(request: Request) -> Response:
    emulator, place = emulator_of(request), _place(request)
    order = read_batch_order(
        parse_json(await request.body()),
        emulator.request_types.batch_job,
        check_model=lambda model: _check_model(emulator, model, place=place),
    )
    now = timestamp()
    job = BatchJob(
        job_id=str(10**18 + secrets.randbelow(9 * 10**18)),
        serial=emulator.batches.jobs.next_serial(),
        project=place.split("/")[1],
        location=request.path_params["location"],
        model=order.model,
        requested=order.echoed,
        input_uri=order.input_uri,
        output_prefix=order.output_prefix,
        created=now,
        updated=now,
    )
    emulator.batches.submit(emulator.batches.jobs.put(job), answers_in(emulator))
    return JSONResponse(job.resource())


def _check_model(emulator: Emulator, model: str, *, place: str) -> None:
    find_batch_target(emulator, model, place=place)


def _find(request: Request) -> BatchJob:
    """Return the job a path names; under another project or location it does not exist."""
    job = emulator_of(request).batches.jobs.get(request.path_params["job_id"])
    place = _place(request)
    if job is None or job.parent != place:
        name = f"{place}/batchPredictionJobs/{request.path_params['job_id']}"
        raise GoogleError(404, f"BatchPredictionJob {name} is not found.")
    return job


async def get_batch(request: Request) -> Response:
    return JSONResponse(_find(request).resource())


async def list_batches(request: Request) -> Response:
    query, place = request.query_params, _place(request)
    is_wanted = read_filter(query.get("filter", ""), fields=_FIELDS)
    jobs = emulator_of(request).batches.jobs.all()
    found = [job for job in jobs if job.parent == place and is_wanted(job)]
    page = page_of(found, query, place=lambda job: -job.serial)
    return JSONResponse(page.describe("batchPredictionJobs", lambda job: job.resource()))


async def cancel_batch(request: Request) -> Response:
    """Cancel; on an ended job it does nothing, as the reference says of a best effort."""
    job = _find(request)
    if job.state not in ENDED | {State.CANCELLING}:
        emulator_of(request).batches.cancel(job.job_id)
    return JSONResponse({})


async def delete_batch(request: Request) -> Response:
    """Forget an ended job; its output stays in Cloud Storage."""
    job = _find(request)
    if job.state not in ENDED:
        message = f"BatchPredictionJob {job.name} is in state {job.state.value}; cancel it first."
        raise GoogleError(400, message, status="FAILED_PRECONDITION")
    emulator_of(request).batches.jobs.delete(job.job_id)
    version = request.url.path.split("/")[1]
    operation = done_operation(job.parent, version=version, kind="DeleteOperationMetadata")
    return JSONResponse(operation)


def batch_routes(version: str) -> list[Route]:
    jobs = f"/{version}/projects/{{project}}/locations/{{location}}/batchPredictionJobs"
    return [
        Route(jobs, create_batch, methods=["POST"]),
        Route(jobs, list_batches, methods=["GET"]),
        Route(f"{jobs}/{{job_id}}", get_batch, methods=["GET"]),
        Route(f"{jobs}/{{job_id}}", delete_batch, methods=["DELETE"]),
        Route(f"{jobs}/{{job_id}}:cancel", cancel_batch, methods=["POST"]),
    ]
