"""How a job is written: once, with its output, its event and its key."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from service.clock import utc_now
from service.database import Session, Sessions
from service.errors import Fault, Invalid, RateLimited
from service.ids import Prefix, new_id
from service.jobs import family_repository, repository
from service.jobs.budgets import open_budget
from service.jobs.dispatch import JobKinds, dispatch
from service.jobs.family import emit_event
from service.jobs.lifecycle import State
from service.jobs.models import IdempotencyKey, Job
from service.jobs.money import dollars_or_none
from service.jobs.ports import FREE, Estimate, JobKind, Submission
from service.jobs.schemas import initial_cost
from service.task_queue import TaskQueue


@dataclass(frozen=True, slots=True)
class Request:
    """A client's wish, before ids are reserved. `idempotency_key` makes a repeat harmless."""

    kind: str
    spec: BaseModel
    labels: Mapping[str, str]
    project_id: str
    idempotency_key: str | None = None
    request_id: str | None = None
    budget_nano: int | None = None


def fingerprint_of(request: Request) -> str:
    """Return the SHA-256 of what was asked, however its JSON was written."""
    asked: dict[str, Any] = {
        "kind": request.kind,
        "spec": request.spec.model_dump(mode="json"),
        "labels": dict(request.labels),
    }
    if request.budget_nano is not None:
        asked["budget_nano"] = request.budget_nano
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def submit_job(
    request: Request,
    *,
    kinds: JobKinds,
    sessions: Sessions,
    task_queue: TaskQueue,
    open_jobs_limit: int,
) -> tuple[Job, bool]:
    """Write a job, its output, its event and its key in one transaction, then send its ticket.

    Returns the job and whether it was there already (same key, same body). Raises Invalid
    `idempotency_key_reused`, RateLimited `queue_full`, and what the kind's `reserve` raises.
    """
    try:
        job, replayed = _write_once(request, kinds, sessions, open_jobs_limit)
    except repository.KeyTaken:  # a twin of this request was faster: answer as it was answered
        job, replayed = _write_once(request, kinds, sessions, open_jobs_limit)
    if not replayed:
        dispatch([job], kinds=kinds, sessions=sessions, task_queue=task_queue)
    return job, replayed


def _write_once(
    request: Request, kinds: JobKinds, sessions: Sessions, open_jobs_limit: int
) -> tuple[Job, bool]:
    with sessions.transaction() as session:
        known = _replayed(session, request)
        if known is not None:
            return known, True
        if repository.count_open(session, request.project_id) >= open_jobs_limit:
            message = f"the project has {open_jobs_limit} open jobs; wait for some to end"
            raise RateLimited(message, code="queue_full")
        kind = kinds[request.kind]
        job = write_job(session, reserve_ids(request, kind), kind=kind)
        if request.idempotency_key:
            _write_key(session, request, job)
    return job, False


def _replayed(session: Session, request: Request) -> Job | None:
    if not request.idempotency_key:
        return None
    known = repository.find_key(session, request.project_id, request.idempotency_key)
    if known is None:
        return None
    if known.fingerprint != fingerprint_of(request):
        message = "this Idempotency-Key was used with another body; use a new key"
        raise Invalid(message, code="idempotency_key_reused")
    return repository.find(session, known.job_id)


def _write_key(session: Session, request: Request, job: Job) -> None:
    key = IdempotencyKey(
        project_id=request.project_id,
        key=request.idempotency_key or "",
        fingerprint=fingerprint_of(request),
        job_id=job.id,
        created_at=utc_now(),
    )
    repository.add_key(session, key)


def reserve_ids(request: Request, kind: JobKind, *, parent_id: str | None = None) -> Submission:
    """Return the submission with fresh ids for the job and its output."""
    return Submission(
        id=new_id(Prefix.JOB),
        project_id=request.project_id,
        kind=request.kind,
        spec=request.spec,
        outputs={kind.output: new_id(kind.prefix)},
        parent_id=parent_id,
        labels=request.labels,
        request_id=request.request_id,
        budget_nano=request.budget_nano,
    )


def write_job(session: Session, submission: Submission, *, kind: JobKind) -> Job:
    """Insert a queued job and its reserved output inside the caller's transaction."""
    job = _job_row(session, submission, kind)
    repository.add(session, job)
    kind.reserve(session, submission)
    _price(session, job, submission, kind)
    emit_event(session, job, "job.created")
    return job


def _job_row(session: Session, submission: Submission, kind: JobKind) -> Job:
    now, parent_id = utc_now(), submission.parent_id
    return Job(
        id=submission.id,
        project_id=submission.project_id,
        parent_id=parent_id,
        root_id=family_repository.root_of(session, parent_id) if parent_id else submission.id,
        kind=submission.kind,
        is_shard=kind.is_shard,
        priority=submission.priority,
        state=State.QUEUED.value,
        spec=submission.spec.model_dump(mode="json"),
        outputs=dict(submission.outputs),
        labels=dict(submission.labels),
        progress={"done": 0, "total": submission.total, "unit": "items"},
        cost=initial_cost(budget_nano=submission.budget_nano),
        request_id=submission.request_id,
        attempt=0,
        version=1,
        created_at=now,
        updated_at=now,
    )


def estimate_of(session: Session, submission: Submission, *, kind: JobKind) -> Estimate:
    """Return what a job will cost with its children, as far as it is known."""
    if kind.estimate:
        return kind.estimate(session, submission)
    return Estimate() if kind.is_shard else FREE


def _price(session: Session, job: Job, submission: Submission, kind: JobKind) -> None:
    """Note what the job will cost, and open its budget."""
    estimate = estimate_of(session, submission, kind=kind)
    job.cost = {**job.cost, "estimated": dollars_or_none(estimate.cost_nano)}
    if submission.budget_nano is None:
        return
    if estimate.unpriced:
        message = (
            f"no price is known for {', '.join(estimate.unpriced)}, so a budget cannot be kept; "
            "add one to the file that TUNECURVE_PRICES names"
        )
        fault = Fault("/budget", "price_unknown", message)
        raise Invalid(message, code="price_unknown", faults=[fault])
    open_budget(session, job.id, submission.budget_nano)
