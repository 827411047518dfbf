"""Paid operations at a provider: each is sent once, found again after doubt, and seen to its end.

A tuning and a batch prediction are such operations. Providers have no idempotency key, so a record
(the intent) is written before the request, which carries the record's id as a label. After an
answer that leaves open whether the request arrived, the operation is looked for by its label, and
only one that is not there is sent again. The sweep in `paid_operation_sweep` asks about all
that run, and wakes the job of each one that has ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

import structlog

from service.database import Session, Sessions, database_now
from service.errors import (
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    Unavailable,
)
from service.jobs import paid_operation_repository as repository
from service.jobs.lifecycle import Reason
from service.jobs.models import PaidOperationRow
from service.jobs.ports import JobCancelled, JobRun, Waiting

log = structlog.get_logger()

CANCEL_AGAIN_SECONDS = 10.0
GIVE_UP = timedelta(hours=24)  # after the deadline, where the provider never answers
_SEND_WITHIN = timedelta(seconds=10)  # of the intent; with a call's timeout less than settling


class OperationState(StrEnum):
    """Our own words: each SDK has another idea of which states are final."""

    INTENDED = "intended"  # written down, perhaps sent, no answer seen yet
    ACCEPTED = "accepted"  # the provider queues or runs it
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STOPPED = "stopped"  # a batch, cancelled or out of time: what it has answered is there


FINAL_STATES = frozenset(OperationState) - {OperationState.INTENDED, OperationState.ACCEPTED}


@dataclass(frozen=True, slots=True)
class OperationStatus:
    """An operation as its provider reports it; `result` is what is kept of one that has ended."""

    state: OperationState
    provider_state: str
    error: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class OperationPace:
    """`poll_seconds` between two polls; `settle_seconds` after which a request that was sent is
    either listed by the provider or will never be.
    """

    poll_seconds: float
    settle_seconds: float

    @property
    def settle(self) -> timedelta:
        return timedelta(seconds=self.settle_seconds)


Row = TypeVar("Row", bound=PaidOperationRow)


class PaidOperation(Protocol[Row]):
    """One operation, as the room that pays for it describes it.

    `submit`, `find` and `cancel` each make one request and retry nothing. They raise Unavailable
    when the answer leaves open what happened, RateLimited, Forbidden, NotFound, and Invalid when
    the provider refuses.
    """

    @property
    def deadline(self) -> timedelta | None:
        """How long it may take from its acceptance; None for as long as the provider lets it."""
        ...

    def connect(self) -> None:
        """Build the client, so that a missing credential is known before anything is written."""
        ...

    def prepare(self) -> Row:
        """Do what comes before the request, such as to hold its cost; return its new record."""
        ...

    def submit(self, row: Row) -> str:
        """Send the request, and return the operation's resource name."""
        ...

    def find(self, row: Row) -> str | None:
        """Return the resource name of the operation labelled with the record's id, or None."""
        ...

    def cancel(self, row: Row) -> None:
        """Ask the provider to stop it; one that has ended stays as it is."""
        ...

    def release(self, session: Session, row: Row) -> None:
        """Return what was held for an operation that was never started."""
        ...


def advance(
    run: JobRun,
    operation: PaidOperation[Row],
    *,
    table: type[Row],
    pace: OperationPace,
    sessions: Sessions,
) -> Waiting | Row:
    """Take a job's operation one step further; return its record once it has ended.

    Raises what `prepare` raises, JobCancelled when a cancelled job has no operation to wait for,
    and what the provider answered where it refuses the request.
    """
    return _Step(run, operation, table, pace, sessions).take()


@dataclass(frozen=True, slots=True)
class _Step(Generic[Row]):
    run: JobRun
    operation: PaidOperation[Row]
    table: type[Row]
    pace: OperationPace
    sessions: Sessions

    def take(self) -> Waiting | Row:
        with self.sessions.reading() as session:
            row = repository.find(session, self.table, self.run.id)
            now = database_now(session)
        if row is None:
            return self._begin()
        if OperationState(row.state) in FINAL_STATES:
            return row
        if row.resource_name is None:
            return self._resume(row, now)
        return self._cancel(row) if self.run.cancelling else Waiting(Reason.PROVIDER)

    def _begin(self) -> Waiting:
        if self.run.cancelling:
            raise JobCancelled
        self.operation.connect()
        row = self.operation.prepare()
        row.job_id, row.state = self.run.id, OperationState.INTENDED.value
        with self.run.fenced() as session:
            row.intended_at = database_now(session)
            repository.add(session, row)
        return self._send(row)

    def _resume(self, row: Row, now: datetime) -> Waiting:
        """Adopt the operation that may have been sent before; send it only if there is none."""
        remaining = row.intended_at + self.pace.settle - now
        if remaining > timedelta():
            return Waiting(Reason.RETRY, seconds=remaining.total_seconds())
        try:
            found = self.operation.find(row)
        except (Unavailable, RateLimited, Forbidden) as error:
            # What may have been started bills on: it is looked for as long as it may take.
            if now - row.intended_at > (self.operation.deadline or timedelta()) + GIVE_UP:
                raise
            log.warning("operation_search_failed", job_id=self.run.id, code=error.code)
            return Waiting(Reason.RETRY, seconds=self.pace.settle_seconds)
        if found is not None:
            log.info("operation_adopted", job_id=self.run.id, resource_name=found)
            return self._accept(row, found)
        if self.run.cancelling:
            self._end_unsent(row, OperationState.CANCELLED)
            raise JobCancelled
        with self.run.fenced() as session:
            now = database_now(session)
            row = repository.change(session, row, intended_at=now)
        return self._send(row)

    def _send(self, row: Row) -> Waiting:
        if not self._may_send():
            return Waiting(Reason.RETRY, seconds=self.pace.settle_seconds)
        try:
            resource_name = self.operation.submit(row)
        except (Invalid, Forbidden, NotFound) as error:
            problem = {"kind": error.code, "message": error.message}
            self._end_unsent(row, OperationState.FAILED, error=problem)
            raise
        except RateLimited:
            return Waiting(Reason.QUOTA, seconds=self.pace.settle_seconds)
        except Unavailable as error:
            # The request may have arrived. It is looked for before it is ever sent again.
            log.warning("operation_in_doubt", job_id=self.run.id, code=error.code)
            return Waiting(Reason.RETRY, seconds=self.pace.settle_seconds)
        log.info("operation_submitted", job_id=self.run.id, resource_name=resource_name)
        return self._accept(row, resource_name)

    def _may_send(self) -> bool:
        """Look right before the request: the lease is ours, and the intent is young.

        A process that stood still since it wrote the intent may have been taken over: another
        worker waits `settle_seconds` from then, and would miss a request that is sent later.
        """
        with self.run.fenced() as session:
            current = repository.find(session, self.table, self.run.id)
            if current is None or current.resource_name is not None:
                return False
            return database_now(session) - current.intended_at <= _SEND_WITHIN

    def _accept(self, row: Row, resource_name: str) -> Waiting:
        soon = timedelta(seconds=min(1.0, self.pace.poll_seconds))
        with self.run.fenced() as session:
            now, deadline = database_now(session), self.operation.deadline
            repository.change(
                session,
                row,
                resource_name=resource_name,
                state=OperationState.ACCEPTED.value,
                submitted_at=now,
                next_poll_at=now + soon,
                deadline_at=None if deadline is None else now + deadline,
            )
        return Waiting(Reason.PROVIDER)

    def _cancel(self, row: Row) -> Waiting:
        """Ask the provider to stop until it has: what it does not hear of bills on."""
        try:
            self.operation.cancel(row)
        except (Unavailable, RateLimited, Forbidden, NotFound) as error:
            log.warning("operation_cancel_failed", job_id=self.run.id, code=error.code)
        with self.sessions.transaction() as session:
            repository.poll_soon(session, row, now=database_now(session))
        seconds = min(CANCEL_AGAIN_SECONDS, self.pace.poll_seconds)
        return Waiting(Reason.PROVIDER, seconds=seconds)

    def _end_unsent(
        self, row: Row, state: OperationState, error: Mapping[str, Any] | None = None
    ) -> None:
        with self.run.fenced() as session:
            row = repository.change(
                session, row, state=state.value, finished_at=database_now(session)
            )
            row.record(result={}, error=error)
            self.operation.release(session, row)
