"""From a task message to a finished job: claim, run the operation, record how it ended."""

from collections.abc import Callable
from random import Random
from typing import Any

import structlog

from service.container import Container
from service.errors import DatabaseUnavailable, Internal, Invalid, TunecurveError
from service.inference.ledger import cost_of_job
from service.jobs.claims import claim_in_turn, finish_job, park_job, requeue_job, retry_job
from service.jobs.dispatch import dispatch_parent
from service.jobs.leases import LeasedRun
from service.jobs.lifecycle import Reason, State
from service.jobs.ports import (
    InputNotReady,
    JobCancelled,
    JobKinds,
    JobRecord,
    JobRun,
    LeaseLost,
    Preempted,
    Waiting,
)
from service.jobs.queries import job_states
from service.unexpected_errors import unexpected, where_raised
from service.work_folders import error_of_work_disk
from workers.app import container
from workers.shutdown import is_shutting_down

log = structlog.get_logger()

Operation = Callable[[JobRun, Container], Waiting | None]

RETRY_SECONDS = (2.0, 10.0, 30.0, 120.0)
_OUTAGES = 10  # as many times the attempts of a job may meet its database away


def run_job(job_id: str, operation: Operation) -> None:
    """Run one job as far as it goes now. Harmless when the job is not to be run."""
    try:
        _claim_and_run(job_id, operation)
    except Exception as error:  # noqa: BLE001  the outermost edge of a task
        # The database is away: the lease runs out, and the sweep queues the job again. A driver's
        # words may quote a row, so they are not for the log.
        log.error(  # noqa: TRY400
            "job_abandoned", job_id=job_id, error=unexpected(error), frames=where_raised(error)
        )


def _claim_and_run(job_id: str, operation: Operation) -> None:
    services = container()
    settings = services.settings
    claimed = claim_in_turn(
        job_id,
        sessions=services.sessions,
        lease_seconds=settings.lease_seconds,
        attempts_limit=settings.job_attempts,
        cost_of=cost_of_job,
    )
    if claimed is None:
        return
    job, token = claimed
    with structlog.contextvars.bound_contextvars(
        job_id=job.id, kind=job.kind, request_id=job.request_id
    ):
        lease = LeasedRun(
            job,
            token,
            sessions=services.sessions,
            lease_seconds=settings.lease_seconds,
            rivals=_rivals(services.kinds, job.kind),
            shutting_down=is_shutting_down,
        )
        with lease as run:
            Ending(job, token, services).record(run, operation)


def _rivals(kinds: JobKinds, name: str) -> list[str]:
    """Return the kinds that share their slots with this kind, where it is preemptible."""
    own = kinds[name]
    return [kind.name for kind in kinds.values() if own.preemptible and kind.queue is own.queue]


class Ending:
    """Turns what an operation returns or raises into the job's next state."""

    def __init__(self, job: JobRecord, token: str, services: Container) -> None:
        self._job, self._token, self._services = job, token, services
        self._sessions = services.sessions

    def record(self, run: LeasedRun, operation: Operation) -> None:
        try:
            self._carry_out(run, operation)
        except JobCancelled:
            self._finish(State.CANCELLED)
        except LeaseLost:
            log.warning("job_lease_lost")
        except Preempted:
            requeue_job(self._job.id, token=self._token, sessions=self._sessions)
            log.info("job_requeued")
        except InputNotReady as missing:
            self._await_input(missing.job_id)
        except TunecurveError as error:
            self._retry_or_fail(run, error, passing=error.retryable)
        except Exception as error:  # noqa: BLE001  the outermost edge of a task
            if isinstance(error, OSError) and (full := error_of_work_disk(error)):
                self._retry_or_fail(run, full, passing=True)
                return
            told = unexpected(error)  # its own words may quote a row
            log.error("job_crashed", error=told, frames=where_raised(error))  # noqa: TRY400
            message = f"unexpected {told}; `job_crashed` in the worker's log has the way there"
            self._retry_or_fail(run, Internal(message), passing=True)

    def _carry_out(self, run: LeasedRun, operation: Operation) -> None:
        cleans_up_on_cancel = self._services.kinds[self._job.kind].cleans_up_on_cancel
        if run.cancelling and not cleans_up_on_cancel:
            raise JobCancelled
        try:
            waiting = operation(run, self._services)
        except JobCancelled:
            if not cleans_up_on_cancel or not run.cancelling:
                raise
            run.acknowledge_cancel()
            waiting = operation(run, self._services)
        if waiting is None:
            self._finish(State.SUCCEEDED)
        else:
            park_job(self._job.id, waiting, token=self._token, sessions=self._sessions)

    def _finish(self, state: State, error: TunecurveError | None = None) -> None:
        ended = finish_job(
            self._job.id,
            state,
            token=self._token,
            sessions=self._sessions,
            error=error,
            cost=self._cost(),
        )
        dispatch_parent(self._job.id, services=self._services.jobs)
        code = error.code if error else None
        log.info("job_ended" if ended else "job_lease_lost", state=state.value, code=code)

    def _cost(self) -> dict[str, Any]:
        """Return what the job has used and paid, its descendants included."""
        with self._sessions.reading() as session:
            return cost_of_job(session, self._job.id)

    def _await_input(self, producer: str) -> None:
        state = job_states([producer], sessions=self._sessions).get(producer)
        if state in {State.FAILED, State.CANCELLED}:
            message = f"an input was not made: {producer} {state}"
            self._finish(State.FAILED, Invalid(message, code="input_failed"))
            return
        # A finished producer wakes us at the next sweep; nothing can fall between.
        waiting = Waiting(Reason.INPUT, waits_for=producer)
        park_job(self._job.id, waiting, token=self._token, sessions=self._sessions)

    def _retry_or_fail(self, run: LeasedRun, error: TunecurveError, *, passing: bool) -> None:
        attempt = self._job.attempts_without_progress
        most = self._services.settings.job_attempts
        # While the provider is away a cancel that has to reach it is tried again: it bills.
        patient = run.cancelling and error.retryable
        # An outage of our own database is no attempt of the job, unless it never ends for it.
        is_outage = isinstance(error, DatabaseUnavailable) and self._job.attempt < _OUTAGES * most
        if not passing or (attempt >= most and not (patient or is_outage)):
            self._finish(State.FAILED, error)
            return
        pause = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS)) - 1]
        seconds = pause * Random().uniform(0.8, 1.2)  # noqa: S311  spreads retries
        log.warning("job_retried", code=error.code, attempt=attempt)
        retry_job(
            self._job.id,
            error,
            seconds=seconds,
            token=self._token,
            sessions=self._sessions,
            attempt=None if is_outage else attempt,
            attempts_limit=None if is_outage else most,
            attempts=attempt - 1 if is_outage else None,
        )
