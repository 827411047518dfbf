"""batchPredictionJobs: create, get, list, cancel and delete."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.admission.creations import CreationFaults
from emulator.batch.queue import BatchQueue
from emulator.batch.records import ENDED, BatchJob, State
from emulator.batch.requests import read_batch_request
from emulator.batch.rows import RowGenerator
from emulator.clock import timestamp
from emulator.errors import GoogleError
from emulator.filters import Fields, read_filter
from emulator.messages import parse_json
from emulator.pages import page_of
from emulator.resources import finished_operation, new_id, parent_of

_FIELDS: Fields = {
    "display_name": lambda job: job.requested.get("displayName"),
    "state": lambda job: job.state.value,
    "model": lambda job: job.model,
    "labels": lambda job: job.requested.get("labels", {}),
}


class BatchRoutes:
    """The handlers of batch prediction jobs; `types` is the message class of a job."""

    def __init__(
        self, queue: BatchQueue, *, rows: RowGenerator, types: Any, faults: CreationFaults
    ) -> None:
        self._queue = queue
        self._rows = rows
        self._types = types
        self._faults = faults

    def routes(self, version: str) -> list[Route]:
        jobs = f"/{version}/projects/{{project}}/locations/{{location}}/batchPredictionJobs"
        return [
            Route(jobs, self._faults.around(self.create_batch), methods=["POST"]),
            Route(jobs, self.list_batches, methods=["GET"]),
            Route(f"{jobs}/{{job_id}}", self.get_batch, methods=["GET"]),
            Route(f"{jobs}/{{job_id}}", self.delete_batch, methods=["DELETE"]),
            Route(f"{jobs}/{{job_id}}:cancel", self.cancel_batch, methods=["POST"]),
        ]

    async def create_batch(self, request: Request) -> Response:
        parent = parent_of(request.path_params)
        batch_request = read_batch_request(
            parse_json(await request.body()),
            self._types,
            find=lambda model: self._rows.find_target(model, parent=parent),
        )
        now = timestamp()
        job = BatchJob(
            job_id=new_id(),
            serial=self._queue.jobs.next_serial(),
            project=parent.split("/")[1],
            location=request.path_params["location"],
            model=batch_request.model,
            base_model=batch_request.target.base_model,
            tuned=batch_request.target.tuning is not None,
            requested=batch_request.echoed,
            input_uri=batch_request.input_uri,
            output_prefix=batch_request.output_prefix,
            created=now,
            updated=now,
        )
        self._queue.submit(self._queue.jobs.put(job))
        return JSONResponse(job.resource())

    async def get_batch(self, request: Request) -> Response:
        return JSONResponse(self._find(request).resource())

    async def list_batches(self, request: Request) -> Response:
        query, place = request.query_params, parent_of(request.path_params)
        matches = read_filter(query.get("filter", ""), fields=_FIELDS)
        jobs = self._queue.jobs.all()
        found = [job for job in jobs if job.parent == place and matches(job)]
        page = page_of(found, query, place=lambda job: -job.serial)
        return JSONResponse(page.describe("batchPredictionJobs", lambda job: job.resource()))

    async def cancel_batch(self, request: Request) -> Response:
        """Cancel; on an ended job it does nothing, as the reference says of a best effort."""
        job = self._find(request)
        if job.state not in ENDED | {State.CANCELLING}:
            self._queue.cancel(job.job_id)
        return JSONResponse({})

    async def delete_batch(self, request: Request) -> Response:
        """Forget an ended job; its output stays in Cloud Storage."""
        job = self._find(request)
        if job.state not in ENDED:
            message = (
                f"BatchPredictionJob {job.name} is in state {job.state.value}; cancel it first."
            )
            raise GoogleError(400, message, status="FAILED_PRECONDITION")
        self._queue.jobs.delete(job.job_id)
        version = request.url.path.split("/")[1]
        operation = finished_operation(job.parent, version=version, kind="DeleteOperationMetadata")
        return JSONResponse(operation)

    def _find(self, request: Request) -> BatchJob:
        """Return the job a path names; under another project or location it does not exist."""
        job = self._queue.jobs.get(request.path_params["job_id"])
        place = parent_of(request.path_params)
        if job is None or job.parent != place:
            name = f"{place}/batchPredictionJobs/{request.path_params['job_id']}"
            raise GoogleError(404, f"BatchPredictionJob {name} is not found.")
        return job
