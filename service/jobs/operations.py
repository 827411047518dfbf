"""What a client does with a job: submit, approve and cancel it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from service.database import Session, database_now
from service.errors import Conflict, Fault, Invalid, RateLimited
from service.ids import Prefix, new_id
from service.jobs import repository, tree_repository
from service.jobs.budgets import open_budget, require_budget_for_tunings
from service.jobs.dispatch import dispatch, send_marked
from service.jobs.events import emit_event, propagate_end
from service.jobs.lifecycle import OPEN, TERMINAL, Reason, State
from service.jobs.models import IdempotencyKey, Job
from service.jobs.ports import FREE, Estimate, JobKind, JobKinds, JobServices, Submission
from service.jobs.queries import get_job, required
from service.jobs.schemas import initial_cost
from service.money import dollars_or_none
from service.webhooks.events import EventType


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request, before ids are reserved; `idempotency_key` makes a repeat harmless.

    With `approval` the job waits until it is approved.
    """

    kind: str
    spec: BaseModel
    labels: Mapping[str, str]
    project_id: str
    idempotency_key: str | None = None
    request_id: str | None = None
    budget_nano: int | None = None
    approval: bool = False


Admission = Callable[[Session, Request], None]  # raises what refuses a job of the project
Note = Callable[[Session, str], None]  # writes about a new job, in the transaction that writes it


def fingerprint_of(request: Request) -> str:
    """Return the SHA-256 of what was asked, however its JSON was written."""
    asked: dict[str, Any] = {
        "kind": request.kind,
        "spec": request.spec.model_dump(mode="json"),
        "labels": dict(request.labels),
    }
    if request.budget_nano is not None:
        asked["budget_nano"] = request.budget_nano
    if request.approval:
        asked["approval"] = True
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def submit_job(
    request: Request,
    *,
    services: JobServices,
    open_jobs_limit: int,
    admit: Admission = lambda _session, _request: None,
    note: Note = lambda _session, _job_id: None,
) -> tuple[Job, bool]:
    """Write a job, its output, event, key and `note` in one transaction, then send its message.

    Returns the job and whether it was there already (same key, same body). Raises what `admit`
    raises of a new one, Invalid `idempotency_key_reused`, RateLimited `queue_full`, and what the
    kind's `reserve` raises.
    """
    try:
        job, replayed = _write_once(request, services, open_jobs_limit, admit, note)
    except repository.KeyTaken:  # a twin of this request was faster: answer as it was answered
        job, replayed = _write_once(request, services, open_jobs_limit, admit, note)
    if not (replayed or request.approval):
        send_marked([job], services)
    return job, replayed


def _write_once(
    request: Request,
    services: JobServices,
    open_jobs_limit: int,
    admit: Admission,
    note: Note,
) -> tuple[Job, bool]:
    with services.sessions.transaction() as session:
        known = _replayed(session, request)
        if known is not None:
            return known, True
        require_queue_room(session, request.project_id, open_jobs_limit)
        admit(session, request)
        kind = services.kinds[request.kind]
        submission = replace(reserve_ids(request, kind), sends_message=not request.approval)
        note(session, submission.id)
        job, estimate = write_job(session, submission, kind=kind)
        require_budget_for_tunings(request.budget_nano, estimate)
        if request.approval:
            _park_for_approval(session, job)
        if request.idempotency_key:
            _write_key(session, request, job)
    return job, False


def _park_for_approval(session: Session, job: Job) -> None:
    """Let a job that has just been written wait until `approve_job`."""
    job.state, job.reason = State.WAITING.value, Reason.APPROVAL.value
    session.flush()


def approve_job(job_id: str, *, project_id: str, services: JobServices) -> Job:
    """Let a job run that waits for approval. A second call changes nothing.

    Raises NotFound, and Conflict `job_not_waiting_for_approval` where it was submitted without
    `approval`, or has ended.
    """
    with services.sessions.transaction() as session:
        job = required(repository.lock(session, job_id, project_id=project_id), job_id)
        if job.state != State.WAITING or job.reason != Reason.APPROVAL:
            if job.attempt or job.state == State.QUEUED:
                return job
            message = f"{job_id} does not wait for approval: it is {job.state}"
            raise Conflict(message, code="job_not_waiting_for_approval")
        now = database_now(session)
        values: dict[str, Any] = {"reason": None, "next_run_at": None, "dispatched_at": now}
        repository.move(session, job, state=State.QUEUED, now=now, token=None, **values)
        emit_event(session, job, EventType.JOB_RESUMED)
    send_marked([job], services)
    return job


def require_queue_room(session: Session, project_id: str, open_jobs_limit: int) -> None:
    """Raise RateLimited `queue_full` when a project has as many open jobs as it may."""
    if repository.count_open(session, project_id) >= open_jobs_limit:
        message = f"the project has {open_jobs_limit} open jobs; wait for some to end"
        raise RateLimited(message, code="queue_full")


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
        created_at=database_now(session),
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


def write_job(session: Session, submission: Submission, *, kind: JobKind) -> tuple[Job, Estimate]:
    """Insert a queued job and its reserved output inside the caller's transaction; return the job
    and what it will cost with its children, as far as that is known.
    """
    job = _job_row(session, submission, kind)
    repository.add(session, job)
    kind.reserve(session, submission)
    place, estimate = kind.placement(session, submission), _estimate(session, submission, kind)
    job.queue = place.queue.value  # as inserted for kinds without `place`: then nothing is sent
    _price(session, job, submission, estimate, synthetic=place.synthetic)
    emit_event(session, job, EventType.JOB_CREATED)
    return job, estimate


def _job_row(session: Session, submission: Submission, kind: JobKind) -> Job:
    now, parent_id = database_now(session), submission.parent_id
    return Job(
        id=submission.id,
        project_id=submission.project_id,
        parent_id=parent_id,
        root_id=tree_repository.root_of(session, parent_id) if parent_id else submission.id,
        kind=submission.kind,
        queue=kind.queue.value,
        is_shard=kind.is_shard,
        priority=submission.priority,
        state=State.QUEUED.value,
        spec=submission.spec.model_dump(mode="json"),
        outputs=dict(submission.outputs),
        labels=dict(submission.labels),
        progress={"done": 0, "total": submission.total, "unit": "items"},
        cost=initial_cost(
            budget_nano=submission.budget_nano, estimated_nano=_flat_estimate(kind).cost_nano
        ),
        request_id=submission.request_id,
        attempt=0,
        version=1,
        created_at=now,
        updated_at=now,
        dispatched_at=now if submission.sends_message else None,
    )


def _estimate(session: Session, submission: Submission, kind: JobKind) -> Estimate:
    return kind.estimate(session, submission) if kind.estimate else _flat_estimate(kind)


def _flat_estimate(kind: JobKind) -> Estimate:
    """Return what a job of a kind without an `estimate` costs."""
    return Estimate() if kind.is_shard else FREE


def _price(
    session: Session, job: Job, submission: Submission, estimate: Estimate, *, synthetic: bool
) -> None:
    """Note what the job will cost, and open its budget."""
    estimated = dollars_or_none(estimate.cost_nano)
    job.cost = {**job.cost, "estimated": estimated, "synthetic": synthetic}
    if submission.budget_nano is None:
        return
    if estimate.unpriced:
        message = (
            f"no price is known for {', '.join(estimate.unpriced)}, so a budget cannot be kept; "
            "add one to the file that TUNECURVE_CATALOGUE names"
        )
        fault = Fault("/budget", "price_unknown", message)
        raise Invalid(message, code="price_unknown", faults=[fault])
    open_budget(session, job.id, submission.budget_nano)


def cancel_job(job_id: str, *, project_id: str, services: JobServices) -> Job:
    """Ask a job, its children, and theirs, to stop. A second call changes nothing.

    A job that no worker runs and that has started nothing at a provider ends at once; others are
    `cancelling` until their worker, or the provider, has stopped. Raises NotFound, and Conflict
    `job_finished`.
    """
    with services.sessions.transaction() as session:
        job = required(repository.lock(session, job_id, project_id=project_id), job_id)
        stopping = [job] if _request_stop(session, job, services.kinds) else []
        descendants = tree_repository.subtrees(session, [job_id])[job_id][1:]
    for descendant_id in descendants:
        stopping += _cancel_descendant(descendant_id, services)
    unheld = [each for each in stopping if each.state == State.CANCELLING]
    dispatch(unheld, services=services)
    return get_job(job_id, project_id=project_id, sessions=services.sessions)


def _cancel_descendant(job_id: str, services: JobServices) -> list[Job]:
    with services.sessions.transaction() as session:
        job = required(repository.lock(session, job_id), job_id)
        is_open = State(job.state) in OPEN
        return [job] if is_open and _request_stop(session, job, services.kinds) else []


def _request_stop(session: Session, job: Job, kinds: JobKinds) -> bool:
    state, now = State(job.state), database_now(session)
    if state in {State.CANCELLING, State.CANCELLED}:
        return False
    if state in TERMINAL:
        raise Conflict(f"{job.id} has already {state}", code="job_finished")
    following = State.CANCELLED if _may_end_at_once(job, kinds) else State.CANCELLING
    values: dict[str, Any] = {"reason": None, "next_run_at": None, "dispatched_at": None}
    if following is State.CANCELLED:
        values["finished_at"] = now
    if not repository.move(session, job, state=following, now=now, token=None, **values):
        raise Conflict(f"{job.id} is changing; ask again", code="job_changing")
    if following is State.CANCELLED:
        propagate_end(session, job, now=now)
    else:
        emit_event(session, job, EventType.JOB_CANCELLING)
    return True


def _may_end_at_once(job: Job, kinds: JobKinds) -> bool:
    """A kind that cleans up on cancel may have started something at a provider once it has run."""
    kind = kinds.get(job.kind)
    untouched = job.started_at is None or (kind is not None and not kind.cleans_up_on_cancel)
    return untouched and job.state in {State.QUEUED, State.WAITING}
