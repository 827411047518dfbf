"""batchPredictionJobs: create, get, list, cancel and delete."""

import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.batch.answers import answers_in, find_batch_target
from emulator.batch.records import ENDED, BatchJob, State
from emulator.batch.requests import read_batch_order
from emulator.errors import GoogleError
from emulator.filters import Fields, read_filter
from emulator.models.operations import done_operation
from emulator.paging import page_of
from emulator.parsing import parse_json
from emulator.projects import project_number
from emulator.state import emulator_of
from emulator.timestamps import timestamp

_FIELDS: Fields = {
    "display_name": lambda job: job.requested.get("displayName"),
    "state": lambda job: job.state.value,
    "model": lambda job: job.model,
    "labels": lambda job: job.requested.get("labels", {}),
}


def _place(request: Request) -> str:
    path = request.path_params
    return f"projects/{project_number(path['project'])}/locations/{path['location']}"


async def create_batch(request: Request) -> Response:
    emulator, place = emulator_of(request), _place(request)
    order = read_batch_order(
        parse_json(await request.body()),
        emulator.request_types.batch_job,
        find=lambda model: find_batch_target(emulator, model, place=place),
    )
    now = timestamp()
    job = BatchJob(
        job_id=str(10**18 + secrets.randbelow(9 * 10**18)),
        serial=emulator.batches.jobs.next_serial(),
        project=place.split("/")[1],
        location=request.path_params["location"],
        model=order.model,
        base_model=order.target.base_model,
        tuned=order.target.tuning is not None,
        requested=order.echoed,
        input_uri=order.input_uri,
        output_prefix=order.output_prefix,
        created=now,
        updated=now,
    )
    emulator.batches.submit(emulator.batches.jobs.put(job), answers_in(emulator))
    return JSONResponse(job.resource())


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
