"""What can be done with jobs: submit, list, cancel, claim, park, finish, sweep."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from service.clock import utc_now
from service.database import Session, Sessions
from service.errors import Conflict, Invalid, NotFound, RateLimited, TunecurveError
from service.ids import Prefix, new_id
from service.jobs import repository
from service.jobs.family import tell_end
from service.jobs.lifecycle import OPEN, TERMINAL, Reason, State, event_type, may_follow
from service.jobs.models import IdempotencyKey
from service.jobs.models import Job as Job
from service.jobs.ports import JobKind, Submission, Waiting
from service.jobs.schemas import event_data, problem_of
from service.task_queue import TaskQueue
from service.webhooks.operations import record_event

JobKinds = Mapping[str, JobKind]


@dataclass(frozen=True, slots=True)
class Request:
    """A client's wish, before ids are reserved. `idempotency_key` makes a repeat harmless."""

    kind: str
    spec: BaseModel
    labels: Mapping[str, str]
    project_id: str
    idempotency_key: str | None = None
    request_id: str | None = None


def fingerprint_of(request: Request) -> str:
    """Return the SHA-256 of what was asked, however its JSON was written."""
    asked = {
        "kind": request.kind,
        "spec": request.spec.model_dump(mode="json"),
        "labels": dict(request.labels),
    }
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
    )


def write_job(session: Session, submission: Submission, *, kind: JobKind) -> Job:
    """Insert a queued job and its reserved output inside the caller's transaction."""
    now = utc_now()
    job = Job(
        id=submission.id,
        project_id=submission.project_id,
        parent_id=submission.parent_id,
        kind=submission.kind,
        state=State.QUEUED.value,
        spec=submission.spec.model_dump(mode="json"),
        outputs=dict(submission.outputs),
        labels=dict(submission.labels),
        progress={"done": 0, "total": None, "unit": "items"},
        cost={},
        request_id=submission.request_id,
        attempt=0,
        version=1,
        created_at=now,
        updated_at=now,
    )
    repository.add(session, job)
    kind.reserve(session, submission)
    _record(session, job, "job.created")
    return job


def _record(session: Session, job: Job, type_: str, **more: Any) -> None:
    record_event(
        session,
        project_id=job.project_id,
        type=type_,
        job_id=job.id,
        data=event_data(job, **more),
    )


def get_job(job_id: str, *, project_id: str, sessions: Sessions) -> Job:
    """Return a job of the project, or raise NotFound `job_not_found`."""
    with sessions.reading() as session:
        return _required(repository.find(session, job_id, project_id=project_id), job_id)


def _required(job: Job | None, job_id: str) -> Job:
    if job is None:
        raise NotFound(f"no job {job_id}", code="job_not_found")
    return job


def list_jobs(project_id: str, *, sessions: Sessions, **filters: Any) -> list[Job]:
    """Return a page of jobs, newest first; see `repository.page` for the filters."""
    with sessions.reading() as session:
        return repository.page(session, project_id, **filters)


def job_states(job_ids: Iterable[str], *, sessions: Sessions) -> dict[str, State]:
    """Return the states of jobs by id: outputs show themselves by the state of their job."""
    with sessions.reading() as session:
        return {key: State(value) for key, value in repository.states(session, job_ids).items()}


def children_of(job_id: str, *, sessions: Sessions) -> list[Job]:
    with sessions.reading() as session:
        return repository.children(session, job_id)


def require_input(session: Session, job_id: str, *, what: str) -> None:
    """Raise Invalid `input_failed` when the job that makes an input has ended without it."""
    state = repository.states(session, [job_id]).get(job_id)
    if state in {State.FAILED, State.CANCELLED}:
        raise Invalid(f"the {what} this needs was not made: {job_id} {state}", code="input_failed")


# ------------------------------------------------------------------------------- cancelling


def cancel_job(
    job_id: str,
    *,
    project_id: str,
    kinds: JobKinds,
    sessions: Sessions,
    task_queue: TaskQueue,
) -> Job:
    """Ask a job, and its children, to stop. A second call changes nothing.

    A queued job without children ends at once; others are `cancelling` until their worker, or
    the provider, has stopped. Raises NotFound, and Conflict `job_finished`.
    """
    with sessions.transaction() as session:
        job = _required(repository.lock(session, job_id, project_id=project_id), job_id)
        changed = _ask_to_stop(session, job)
        offspring = [child.id for child in repository.children(session, job_id)]
    for child_id in offspring:
        _cancel_child(child_id, project_id=project_id, sessions=sessions)
    if changed and job.state == State.CANCELLING:
        dispatch([job], kinds=kinds, sessions=sessions, task_queue=task_queue)
    return get_job(job_id, project_id=project_id, sessions=sessions)


def _cancel_child(child_id: str, *, project_id: str, sessions: Sessions) -> None:
    with sessions.transaction() as session:
        child = _required(repository.lock(session, child_id, project_id=project_id), child_id)
        if State(child.state) in OPEN:
            _ask_to_stop(session, child)


def _ask_to_stop(session: Session, job: Job) -> bool:
    state, now = State(job.state), utc_now()
    if state in {State.CANCELLING, State.CANCELLED}:
        return False
    if state in TERMINAL:
        raise Conflict(f"{job.id} has already {state}", code="job_finished")
    # A queued job that has run before may have a tuning at the provider: its worker must look.
    untouched = state is State.QUEUED and job.started_at is None
    following = State.CANCELLED if untouched else State.CANCELLING
    values: dict[str, Any] = {"reason": None, "next_run_at": None, "dispatched_at": None}
    if following is State.CANCELLED:
        values["finished_at"] = now
    if not repository.move(session, job, state=following, now=now, token=None, **values):
        raise Conflict(f"{job.id} is changing; ask again", code="job_changing")
    if following is State.CANCELLED:
        tell_end(session, job, now=now)
    else:
        _record(session, job, "job.cancelling")
    return True


# ---------------------------------------------------------------------- claiming and ending


def claim_job(
    job_id: str, *, sessions: Sessions, lease_seconds: float, attempts_limit: int
) -> tuple[Job, str] | None:
    """Take a queued, taken-over or cancelling job; return it with the lease's token.

    Returns None when there is nothing to do: the job has ended, waits, is run by somebody
    else, or has used up its attempts (then it is failed here).
    """
    token, now = secrets.token_hex(16), utc_now()
    with sessions.transaction() as session:
        job = repository.lock(session, job_id)
        if job is None or not _is_claimable(job, now):
            return None
        if job.attempt >= attempts_limit and job.state != State.CANCELLING:
            _fail_exhausted(session, job, attempts_limit)
            return None
        before = State(job.state)
        values: dict[str, Any] = {
            "lease_owner": token,
            "lease_until": now + timedelta(seconds=lease_seconds),
            "attempt": job.attempt + 1,
            "started_at": job.started_at or now,
            "reason": None,
            "next_run_at": None,
            "waits_for": None,
        }
        state = before if before is State.CANCELLING else State.RUNNING
        if not repository.move(session, job, state=state, now=now, token=None, **values):
            return None
        if before is State.QUEUED:
            _record(session, job, "job.started", attempt=job.attempt)
    return job, token


def _is_claimable(job: Job, now: datetime) -> bool:
    held = job.lease_until is not None and job.lease_until >= now
    match State(job.state):
        case State.QUEUED:
            return job.next_run_at is None or job.next_run_at <= now
        case State.RUNNING | State.CANCELLING:
            return not held
        case _:
            return False


def _fail_exhausted(session: Session, job: Job, attempts_limit: int) -> None:
    error = TunecurveError(
        f"{job.id} was started {attempts_limit} times and its worker died or failed each time",
        code="attempts_exhausted",
    )
    _end(session, job, State.FAILED, token=None, error=problem_of(error))


def finish_job(
    job_id: str,
    state: State,
    *,
    token: str,
    sessions: Sessions,
    error: TunecurveError | None = None,
    cost: Mapping[str, Any] | None = None,
) -> bool:
    """End a job that `token` holds; return False when the lease was lost."""
    with sessions.transaction() as session:
        job = repository.lock(session, job_id)
        if job is None or job.lease_owner != token:
            return False
        values: dict[str, Any] = {"cost": dict(cost)} if cost else {}
        if error is not None:
            values["error"] = problem_of(error)
        return _end(session, job, state, token=token, **values)


def _end(session: Session, job: Job, state: State, *, token: str | None, **values: Any) -> bool:
    now = utc_now()
    if not may_follow(State(job.state), state):
        return False
    ended = repository.move(
        session,
        job,
        state=state,
        now=now,
        token=token,
        reason=None,
        lease_owner=None,
        lease_until=None,
        next_run_at=None,
        waits_for=None,
        finished_at=now,
        **values,
    )
    if ended:
        tell_end(session, job, now=now)
    return ended


def park_job(job_id: str, waiting: Waiting, *, token: str, sessions: Sessions) -> bool:
    """Let go of a job until what it waits for has come; a cancelling job stays cancelling."""
    now = utc_now()
    wake = None if waiting.seconds is None else now + timedelta(seconds=waiting.seconds)
    with sessions.transaction() as session:
        job = repository.lock(session, job_id)
        if job is None or job.lease_owner != token:
            return False
        values: dict[str, Any] = {
            "lease_owner": None,
            "lease_until": None,
            "next_run_at": wake,
            "dispatched_at": None,
            "waits_for": waiting.waits_for,
            # A job that parks has got on: only claims without progress in between count.
            "attempt": 0,
        }
        if job.state == State.CANCELLING:
            return repository.rewrite(session, job, now=now, token=token, **values)
        values["reason"] = waiting.reason.value
        parked = repository.move(session, job, state=State.WAITING, now=now, token=token, **values)
        if parked:
            _record(session, job, "job.waiting")
        return parked


def retry_job(
    job_id: str, error: TunecurveError, *, seconds: float, token: str, sessions: Sessions
) -> bool:
    """Park a job whose failure may pass; its attempts go on counting.

    A cancelling job stays cancelling, also when its worker has not heard of the cancel yet.
    """
    now = utc_now()
    with sessions.transaction() as session:
        job = repository.lock(session, job_id)
        if job is None or job.lease_owner != token:
            return False
        values: dict[str, Any] = {
            "lease_owner": None,
            "lease_until": None,
            "dispatched_at": None,
            "next_run_at": now + timedelta(seconds=seconds),
        }
        if job.state == State.CANCELLING:
            return repository.rewrite(session, job, now=now, token=token, **values)
        values["reason"] = Reason.RETRY.value
        parked = repository.move(session, job, state=State.WAITING, now=now, token=token, **values)
        if parked:
            _record(session, job, "job.waiting", retry_because=error.code)
        return parked


# ---------------------------------------------------------------------------------- sweeping


def dispatch(
    jobs: Sequence[Job], *, kinds: JobKinds, sessions: Sessions, task_queue: TaskQueue
) -> int:
    """Send tickets after the commit; what the broker does not take is left to the sweep.

    Jobs are marked first: a quick worker may have parked its job before `send` returns, and a
    mark that came after would keep the sweep from sending the next ticket.
    """
    with sessions.transaction() as session:
        repository.mark_dispatched(session, [job.id for job in jobs], now=utc_now())
    return _send(jobs, kinds, sessions, task_queue)


def _send(jobs: Sequence[Job], kinds: JobKinds, sessions: Sessions, task_queue: TaskQueue) -> int:
    routed = [(job.id, kinds[job.kind]) for job in jobs]
    unsent = [id_ for id_, kind in routed if not task_queue.send(kind.task, id_, queue=kind.queue)]
    if unsent:
        with sessions.transaction() as session:
            repository.mark_dispatched(session, unsent, now=None)
    return len(jobs) - len(unsent)


def send_due_tickets(
    now: datetime,
    *,
    kinds: JobKinds,
    sessions: Sessions,
    task_queue: TaskQueue,
    redispatch_seconds: float,
    limit: int,
) -> int:
    """Send the tickets of jobs of these kinds that have none, or whose must have been lost."""
    sent_before = now - timedelta(seconds=redispatch_seconds)
    with sessions.transaction() as session:
        due = repository.take_due(
            session, kinds=kinds, now=now, sent_before=sent_before, limit=limit
        )
    return _send(due, kinds, sessions, task_queue)


def requeue_expired(now: datetime, *, sessions: Sessions, limit: int = 100) -> int:
    """Queue again the running jobs whose worker has let its lease run out."""
    with sessions.transaction() as session:
        expired = repository.take_expired(session, now=now, limit=limit)
        return _queue_all(session, expired, now=now, note="job.warning", why="worker_lost")


def wake_due(now: datetime, *, sessions: Sessions, limit: int = 100) -> int:
    """Queue the waiting jobs whose time, input or last child has come."""
    with sessions.transaction() as session:
        return _queue_all(
            session,
            repository.take_wakeable(session, now=now, limit=limit),
            now=now,
            note=event_type(State.QUEUED, before=State.WAITING),
        )


def wake_job(job_id: str, *, sessions: Sessions) -> bool:
    """Let a parked job be looked at now; return False when its worker holds it: ask again.

    A waiting job is queued, a cancelling one is due for a ticket; for others nothing is needed.
    """
    now = utc_now()
    with sessions.transaction() as session:
        job = repository.lock(session, job_id)
        if job is None:
            return True
        if job.lease_until is not None and job.lease_until >= now:
            return False
        if job.state == State.CANCELLING:
            return repository.rewrite(
                session, job, now=now, token=None, next_run_at=None, dispatched_at=None
            )
        if job.state == State.WAITING:
            _queue_all(session, [job], now=now, note="job.resumed")
        return True


def _queue_all(
    session: Session, jobs: Sequence[Job], *, now: datetime, note: str | None, **more: Any
) -> int:
    queued = [
        job
        for job in jobs
        if repository.move(
            session,
            job,
            state=State.QUEUED,
            now=now,
            token=None,
            reason=None,
            lease_owner=None,
            lease_until=None,
            next_run_at=None,
            dispatched_at=None,
            waits_for=None,
        )
    ]
    # Events lock their project's row: one order for all sweeps, so that none deadlocks.
    for job in sorted(queued, key=lambda job: job.project_id):
        if note:
            _record(session, job, note, **more)
    return len(queued)


def purge_keys(before: datetime, *, sessions: Sessions) -> None:
    """Forget idempotency keys older than `before`."""
    with sessions.transaction() as session:
        repository.purge_keys(session, before=before)
