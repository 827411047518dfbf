"""Jobs: submit, plan, list, look, cancel."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Request, Response
from starlette.responses import JSONResponse

from api import examples
from api.audit import add_entry
from api.auth import Reader, Writer
from api.dependencies import AfterJob, JobId, Limit, RequestId, Services
from api.etags import etag_of, is_known
from api.idempotency import IdempotencyKey
from api.job_requests import PayingRequest, Submitted, SubmittedKind, budget_nano_of
from api.openapi import WITH_BODY, answers, documented_headers, example_of, page_example
from api.pagination import Page, page_of
from api.plans import Plan, plan_of, require_plan
from service.database import Session
from service.erasure import operations as erasure
from service.erasure.schemas import Deletion
from service.experiments.estimates import estimate_from_source
from service.experiments.extension import extended_spec
from service.inference.ledger import costs_of
from service.inference.project_limits import admission
from service.jobs import operations, queries
from service.jobs.lifecycle import OPEN, Reason, State
from service.jobs.ports import JobRecord
from service.jobs.schemas import LABEL_PATTERN, Job, present_job
from service.model_registry.queries import with_model_ids
from service.money import parse_dollars
from service.tuning.queries import places_of_tunings

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

RETRY_AFTER = "2"
_SENDS = ("ETag", "Retry-After")
_LABEL = LABEL_PATTERN.removeprefix("^").removesuffix("$")

_CREATED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Job | Plan,
        "description": "The job that this Idempotency-Key made before, or the plan of a dry run",
        "headers": documented_headers("ETag", "Location", "Retry-After", "Idempotent-Replayed"),
        "content": {"application/json": {"example": examples.PLAN}},
    },
    **answers(
        examples.JOB,
        *WITH_BODY,
        404,
        429,
        status=202,
        description="Submitted: follow the job",
        sends=("ETag", "Location", "Retry-After"),
    ),
}
_CREATED[202]["links"] = {
    name: {"operationId": name, "parameters": {"job_id": "$response.body#/id"}}
    for name in ("getJob", "cancelJob")
}


@router.post(
    "",
    operation_id="createJob",
    summary="Submit a job, or plan it",
    status_code=202,
    response_model=Job,
    responses=_CREATED,
)
def create_job(
    body: Annotated[
        Submitted,
        Body(openapi_examples={"learning curve": {"value": examples.EXPERIMENT_REQUEST}}),
    ],
    http: Request,
    principal: Writer,
    container: Services,
    request_id: RequestId,
    idempotency_key: IdempotencyKey,
    dry_run: Annotated[bool, Query(description="only say what would be created")] = False,  # noqa: FBT002  a query parameter
) -> Response:
    """A job that is accepted is kept, and runs as soon as a worker is free.

    The ids of its outputs are in the answer: a later job may name them at once. Send an
    `Idempotency-Key` so that a repeated request makes no second job.
    """
    project_id, sessions = principal.project_id, container.sessions
    spec = with_model_ids(body.spec, project_id=project_id, sessions=sessions)
    request = operations.Request(
        kind=body.kind,
        spec=extended_spec(spec, project_id=project_id, sessions=sessions),
        labels=body.labels,
        project_id=project_id,
        idempotency_key=idempotency_key,
        request_id=request_id,
        budget_nano=budget_nano_of(body),
        approval=isinstance(body, PayingRequest) and body.approval,
    )
    if dry_run:
        return JSONResponse(_planned(request, container).model_dump(mode="json"))
    if isinstance(body, PayingRequest) and (body.plan or body.max_cost):
        most = parse_dollars(body.max_cost) if body.max_cost else None
        require_plan(_planned(request, container), given=body.plan, max_nano=most)
    row, replayed = operations.submit_job(
        request,
        services=container.jobs,
        open_jobs_limit=min(
            container.settings.open_jobs_limit,
            principal.limits.open_jobs
            if principal.limits.open_jobs is not None
            else container.settings.open_jobs_limit,
        ),
        admit=admission(principal.limits),
        note=lambda session, job_id: add_entry(session, http.scope, target=job_id),
    )
    http.scope["state"]["audited"] = not replayed
    with sessions.reading() if replayed else nullcontext() as session:
        [job] = _shown(session, [row]) if session else [present_job(row)]
    headers = _headers(job) | {"Location": f"/v1/jobs/{job.id}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return _answer(job, headers, status=200 if replayed else 202)


def _planned(request: operations.Request, container: Services) -> Plan:
    return plan_of(
        request,
        kinds=container.kinds,
        sessions=container.sessions,
        from_source=partial(
            estimate_from_source,
            base_model=container.settings.base_model,
            catalogue=container.catalogue,
            sessions=container.sessions,
            store=container.store,
        ),
    )


def _answer(job: Job, headers: Mapping[str, str], *, status: int = 200) -> Response:
    """Return a job as JSON: the framework would check again what has just been built."""
    return Response(job.model_dump_json(), status, headers=headers, media_type="application/json")


def _shown(session: Session, rows: Sequence[JobRecord]) -> list[Job]:
    """Return jobs as HTTP shows them; what those that still run have used is summed now, and the
    line of tunings is as it stands now.

    A job that no worker has run yet has used nothing, and has no children.
    """
    going_on = [row.id for row in rows if row.started_at and State(row.state) in OPEN]
    costs = costs_of(session, going_on) if going_on else {}
    in_line = any(row.reason == Reason.QUOTA for row in rows)
    places = places_of_tunings(session) if in_line else {}
    return [present_job(row, cost=costs.get(row.id), place=places.get(row.id)) for row in rows]


def _headers(job: Job) -> dict[str, str]:
    """Progress and cost move without a new version, so the tag holds them too."""
    microseconds = int(job.updated_at.timestamp() * 1_000_000)
    headers = {"ETag": etag_of(job.version, f"{microseconds:x}.{job.cost.requests:x}")}
    return headers | ({"Retry-After": RETRY_AFTER} if job.state in OPEN else {})


@router.get(
    "",
    operation_id="listJobs",
    summary="List jobs, newest first",
    responses=answers(page_example(examples.JOB, next_page=f"/v1/jobs?after={examples.JOB_ID}")),
)
def list_jobs(  # noqa: PLR0913, PLR0917  FastAPI reads a request's parts from parameters
    request: Request,
    principal: Reader,
    container: Services,
    state: Annotated[list[State] | None, Query(description="any of these")] = None,
    kind: Annotated[list[SubmittedKind] | None, Query(description="any of these")] = None,
    label: Annotated[
        str | None,
        Query(
            pattern=f"^{_LABEL}[:=]{_LABEL}$",
            description="only with this label: name, `:` or `=`, value",
            examples=["team:support"],
        ),
    ] = None,
    parent: Annotated[AfterJob, Query(description="only the children of this job")] = None,
    after: AfterJob = None,
    limit: Limit = 20,
) -> Page[Job]:
    """Shards of large jobs are left out unless `parent` names their job."""
    name, _, value = (label or "").replace("=", ":").partition(":")
    rows = queries.list_jobs(
        principal.project_id,
        sessions=container.sessions,
        states=[each.value for each in state or ()],
        kinds=kind or (),
        parent=parent,
        label=(name, value) if label else None,
        after=after,
        limit=limit + 1,
    )
    with container.sessions.reading() as session:
        jobs = _shown(session, rows)
    return page_of(jobs, limit=limit, cursor=lambda job: job.id, request=request)


@router.get(
    "/{job_id}",
    operation_id="getJob",
    summary="Look at a job",
    response_model=Job,
    responses=answers(examples.JOB, 404, sends=_SENDS)
    | {304: {"description": "Not changed since", "headers": documented_headers(*_SENDS)}},
)
def get_job(
    job_id: JobId,
    principal: Reader,
    container: Services,
    if_none_match: Annotated[str | None, Header(description="the ETag seen last")] = None,
) -> Response:
    """Send the last `ETag` as `If-None-Match` while you wait, and ask again after `Retry-After`."""
    with container.sessions.reading() as session:
        row = queries.find_job(session, job_id, project_id=principal.project_id)
        [job] = _shown(session, [row])
    headers = _headers(job)
    if is_known(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return _answer(job, headers)


@router.post(
    "/{job_id}/approve",
    operation_id="approveJob",
    summary="Let a job run that waits for approval",
    responses=answers(examples.JOB, 404, 409, sends=_SENDS),
)
def approve_job(job_id: JobId, response: Response, principal: Writer, container: Services) -> Job:
    """Of a job that was submitted with `approval`. A second call changes nothing."""
    row = operations.approve_job(job_id, project_id=principal.project_id, services=container.jobs)
    job = present_job(row)
    response.headers.update(_headers(job))
    return job


@router.post(
    "/{job_id}/cancel",
    operation_id="cancelJob",
    summary="Ask a job and its children to stop",
    status_code=202,
    responses={
        200: {
            "model": Job,
            "description": "It is cancelled",
            "headers": documented_headers("ETag"),
            "content": {"application/json": {"example": examples.CANCELLING_JOB}},
        },
        **answers(
            examples.CANCELLING_JOB,
            404,
            409,
            status=202,
            description="It will stop",
            sends=_SENDS,
        ),
    },
)
def cancel_job(job_id: JobId, response: Response, principal: Writer, container: Services) -> Job:
    """What is stored stays; calls under way are still paid for. A second call changes nothing."""
    row = operations.cancel_job(
        job_id,
        project_id=principal.project_id,
        services=container.jobs,
    )
    with container.sessions.reading() as session:
        [job] = _shown(session, [row])
    response.headers.update(_headers(job))
    if job.state is State.CANCELLED:
        response.status_code = 200
    return job


@router.delete(
    "/{job_id}",
    operation_id="deleteJob",
    summary="Delete a job that has ended, with its children and events",
    responses=answers(example_of(Deletion), 404, 409),
)
def delete_job(job_id: JobId, principal: Writer, container: Services) -> Deletion:
    """First delete what it made. What it used stays in the project's usage, without the job."""
    return erasure.delete_job(job_id, project_id=principal.project_id, services=container.erasure)
