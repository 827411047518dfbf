"""How a worker claims a job, releases it, and ends it."""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from service.database import Session, Sessions, database_now
from service.errors import Internal, TunecurveError
from service.jobs import repository
from service.jobs.events import emit_event, propagate_end
from service.jobs.lifecycle import Reason, State, may_follow
from service.jobs.models import Job
from service.jobs.ports import Waiting
from service.jobs.schemas import problem_of
from service.jobs.turns import job_in_turn, waits_for_a_slot
from service.webhooks.events import EventType

CostOf = Callable[[Session, str], Mapping[str, Any]]


_TRIES = 20  # each that fails was another worker's success


# A job that parks has progressed: only claims without progress in between count.
_PROGRESSED: Mapping[str, Any] = {"attempt": 0, "attempts_without_progress": 0}


def claim_in_turn(
    job_id: str,
    *,
    sessions: Sessions,
    lease_seconds: float,
    attempts_limit: int,
    cost_of: CostOf | None = None,
) -> tuple[Job, str] | None:
    """Take the job that is named or, where several projects wait, one of its kind whose turn it is.

    A message is a hint that one more queued job of a kind may start; which one, the database
    decides: so a project with many waiting jobs keeps no other's waiting. There are as many
    messages as queued jobs, so that a message whose job another has started starts another.
    """
    claim = partial(
        claim_job,
        sessions=sessions,
        lease_seconds=lease_seconds,
        attempts_limit=attempts_limit,
        cost_of=cost_of,
    )
    with sessions.reading() as session:
        is_outranked = waits_for_a_slot(session, job_id)
    claimed = None if is_outranked else claim(job_id)
    for _ in range(0 if claimed else _TRIES):
        with sessions.reading() as session:
            turn = job_in_turn(session, job_id)
        if turn is None:
            break
        claimed = claim(turn)
        if claimed is not None:
            return claimed  # else another worker was faster: whose turn is it now?
    return claimed or claim(job_id)


def claim_job(
    job_id: str,
    *,
    sessions: Sessions,
    lease_seconds: float,
    attempts_limit: int,
    cost_of: CostOf | None = None,
) -> tuple[Job, str] | None:
    """Take a queued, taken-over or cancelling job; return it with the lease's token.

    Returns None when there is nothing to do: the job has ended, waits, is run by another
    worker, or has used up its attempts (then it is failed here, with the cost of its attempts).
    """
    token = secrets.token_hex(16)
    with sessions.transaction() as session:
        job, now = repository.lock(session, job_id), database_now(session)
        if job is None or not _is_claimable(job, now):
            return None
        claims, done = _attempts_without_progress(job)
        if claims > attempts_limit and job.state != State.CANCELLING:
            cost = cost_of(session, job.id) if cost_of else {}
            _fail_exhausted(session, job, attempts_limit, cost=cost)
            return None
        before = State(job.state)
        values: dict[str, Any] = {
            "lease_owner": token,
            "lease_until": now + timedelta(seconds=lease_seconds),
            "attempt": job.attempt + 1,
            "attempts_without_progress": claims,
            "done_before": done,
            "started_at": job.started_at or now,
            "reason": None,
            "next_run_at": None,
            "waits_for": None,
        }
        state = before if before is State.CANCELLING else State.RUNNING
        if not repository.move(session, job, state=state, now=now, token=None, **values):
            return None
        if before is State.QUEUED:
            emit_event(session, job, EventType.JOB_STARTED, attempt=job.attempt)
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


def _attempts_without_progress(job: Job) -> tuple[int, int]:
    """Return which claim in a row the next one is, and what was done before it.

    A claim that did more than any before it starts the count again: a job that loses its worker
    five times and progresses in between does not kill its workers.
    """
    done = int(job.progress.get("done") or 0)
    if done > job.done_before:
        return 1, done
    return job.attempts_without_progress + 1, job.done_before


def _fail_exhausted(
    session: Session, job: Job, attempts_limit: int, *, cost: Mapping[str, Any]
) -> None:
    error = Internal(
        f"{job.id} was started {attempts_limit} times and its worker died or failed each time"
        + (f"; the last failure: {job.error['detail']}" if job.error else ""),
        code="attempts_exhausted",
    )
    values = {"error": problem_of(error), "cost": {**job.cost, **cost}}
    _end(session, job, State.FAILED, token=None, **values)


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
        values: dict[str, Any] = {"cost": {**job.cost, **cost}} if cost else {}
        if error is not None:
            values["error"] = problem_of(error)
        return _end(session, job, state, token=token, **values)


def _end(session: Session, job: Job, state: State, *, token: str | None, **values: Any) -> bool:
    now = database_now(session)
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
        propagate_end(session, job, now=now)
    return ended


def park_job(job_id: str, waiting: Waiting, *, token: str, sessions: Sessions) -> bool:
    """Release a job until what it waits for has come; a cancelling job stays cancelling.

    Until it waits for something else, a job that is tried again keeps the reason it was given.
    """
    known = waiting.reason is Reason.RETRY and waiting.error is None
    values = {} if known else {"error": waiting.error and problem_of(waiting.error)}
    return _release(
        job_id,
        State.WAITING,
        token=token,
        sessions=sessions,
        reason=waiting.reason,
        seconds=waiting.seconds,
        waits_for=waiting.waits_for,
        **_PROGRESSED,
        **values,
    )


def requeue_job(job_id: str, *, token: str, sessions: Sessions) -> bool:
    """Put a job back into the queue: a later run does what is missing by then."""
    return _release(job_id, State.QUEUED, token=token, sessions=sessions, **_PROGRESSED)


def retry_job(
    job_id: str,
    error: TunecurveError,
    *,
    seconds: float,
    token: str,
    sessions: Sessions,
    attempt: int | None = None,
    attempts_limit: int | None = None,
    attempts: int | None = None,
) -> bool:
    """Park a job whose failure may pass; its attempts still count, or are as many as is said.

    `attempt` of `attempts_limit` is what people are told of it. A cancelling job stays cancelling,
    also when its worker has not seen the cancel yet.
    """
    return _release(
        job_id,
        State.WAITING,
        token=token,
        sessions=sessions,
        reason=Reason.RETRY,
        seconds=seconds,
        error=problem_of(error, attempt=attempt, attempts_limit=attempts_limit),
        **({} if attempts is None else {"attempts_without_progress": attempts}),
    )


def _release(
    job_id: str,
    state: State,
    *,
    token: str,
    sessions: Sessions,
    reason: Reason | None = None,
    seconds: float | None = None,
    **values: Any,
) -> bool:
    """End a run without ending its job; return False when the lease was lost."""
    values |= {"lease_owner": None, "lease_until": None, "dispatched_at": None}
    with sessions.transaction() as session:
        job = repository.lock(session, job_id)
        if job is None or job.lease_owner != token:
            return False
        now = database_now(session)
        values["next_run_at"] = None if seconds is None else now + timedelta(seconds=seconds)
        if job.state == State.CANCELLING:
            return repository.rewrite(session, job, now=now, token=token, **values)
        if reason is not None:
            values["reason"] = reason.value
        if reason is Reason.INPUT and job.attempt == 1:
            values["started_at"] = None  # it has only looked: its work begins once that is there
        moved = repository.move(session, job, state=state, now=now, token=token, **values)
        if moved and state is State.WAITING:
            emit_event(session, job, EventType.JOB_WAITING, **_retry_details(job))
        return moved


def _retry_details(job: Job) -> dict[str, Any]:
    """Return what an event says of a job that is tried again."""
    if job.reason != Reason.RETRY or not job.error:
        return {}
    return {
        "retry_because": job.error["code"],
        "why": job.error["detail"],
        "attempt": job.error["attempt"],
        "attempts_limit": job.error["attempts_limit"],
    }
