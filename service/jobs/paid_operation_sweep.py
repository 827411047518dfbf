"""The sweep that asks providers about every paid operation that is due."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Generic

import structlog

from service.database import Sessions, database_now
from service.errors import NotFound, TunecurveError
from service.jobs import paid_operation_repository as repository
from service.jobs.operation_state import FINAL_STATES, FoundOperation, OperationState
from service.jobs.paid_operation_line import wake_next
from service.jobs.paid_operation_port import Row
from service.jobs.paid_operation_strays import reconcile
from service.jobs.paid_operations import GIVE_UP, OperationPace, OperationStatus
from service.jobs.sweeps import wake_job

log = structlog.get_logger()

POLL_BATCH = 50
_JITTER = 0.1  # so that operations started together are not polled together


@dataclass(frozen=True, slots=True)
class PolledTable(Generic[Row]):
    """A table of operations, and the requests of its provider that the sweep makes.

    `find` returns all that carry the label of a record, `drop` cancels one of them that no record
    owns.
    """

    table: type[Row]
    poll: Callable[[Row], OperationStatus]
    cancel: Callable[[Row], None]
    find: Callable[[Row], Sequence[FoundOperation]]
    drop: Callable[[Row, str], None]


PolledTables = Sequence[PolledTable[Any]]


def has_due_operations(tables: PolledTables, *, sessions: Sessions) -> bool:
    """Return whether any operation is due for a poll."""
    with sessions.reading() as session:
        now = database_now(session)
        return any(repository.has_due(session, polled.table, now=now) for polled in tables)


def poll_operations(tables: PolledTables, *, sessions: Sessions, pace: OperationPace) -> int:
    """Ask the providers about the operations that are due; return how many were asked about.

    An operation is claimed by moving its next poll ahead, so two sweeps never ask about the same
    one, and a sweep that dies only delays it. Those that have ended wake their job.
    """
    for polled in tables:
        reconcile(polled.table, find=polled.find, drop=polled.drop, sessions=sessions)
    return sum(_Sweep(polled, sessions, pace).run() for polled in tables)


@dataclass(frozen=True, slots=True)
class _Sweep(Generic[Row]):
    polled: PolledTable[Row]
    sessions: Sessions
    pace: OperationPace

    def run(self) -> int:
        random = Random()  # noqa: S311  spreads polls; nothing secret
        with self.sessions.transaction() as session:
            now = database_now(session)
            pause = timedelta(seconds=self.pace.poll_seconds)
            until = [
                now + pause * random.uniform(1 - _JITTER, 1 + _JITTER) for _ in range(POLL_BATCH)
            ]
            due = repository.take_due(session, self.polled.table, now=now, until=until)
        for row in due:
            status = self._ask(row, now)
            if status is not None:
                self._record(row, status)
        return len(due)

    def _ask(self, row: Row, now: datetime) -> OperationStatus | None:
        """Return what the provider reports; None where that is to be asked again."""
        overdue = now - row.deadline_at if row.deadline_at else timedelta(-1)
        try:
            status = self.polled.poll(row)
            if overdue > timedelta():
                return self._past_deadline(row, status)
        except NotFound as error:
            return self._missing(row, error, now)
        except TunecurveError as error:
            log.warning("operation_poll_failed", job_id=row.job_id, code=error.code)
            problem = {"kind": error.code, "message": error.message}
            failed = OperationStatus(OperationState.FAILED, "", error=problem)
            return failed if overdue > GIVE_UP else None
        return status

    def _past_deadline(self, row: Row, status: OperationStatus) -> OperationStatus:
        if status.state not in FINAL_STATES:
            self.polled.cancel(row)
        if status.state is not OperationState.CANCELLED:
            return status
        words = f"it was not done by {row.deadline_at:%Y-%m-%d %H:%M} UTC, and was cancelled"
        return replace(status, error={"kind": "deadline_exceeded", "message": words})

    def _missing(self, row: Row, error: NotFound, now: datetime) -> OperationStatus | None:
        """A provider may not list yet what it has just created: only a lasting answer counts."""
        since = row.missing_since or now
        if now - since > self.pace.settle:
            problem = {"kind": error.code, "message": error.message}
            return OperationStatus(OperationState.FAILED, "NOT_FOUND", error=problem)
        log.warning("operation_missing", job_id=row.job_id, since=since.isoformat())
        with self.sessions.transaction() as session:
            repository.change(session, row, missing_since=since)
        return None

    def _record(self, row: Row, status: OperationStatus) -> None:
        ended = status.state in FINAL_STATES
        with self.sessions.transaction() as session:
            now = database_now(session)
            row = repository.change(
                session,
                row,
                provider_state=status.provider_state,
                polled_at=now,
                missing_since=None,
            )
            if ended:
                row.state, row.finished_at = status.state.value, row.finished_at or now
                row.record(result=status.result or {}, error=status.error)
        if ended:
            self._wake(row, status)

    def _wake(self, row: Row, status: OperationStatus) -> None:
        """Wake the job of an operation that has ended; until it could be woken, poll again."""
        wake_next(self.polled.table, row.line, sessions=self.sessions)
        woken = wake_job(row.job_id, sessions=self.sessions)
        with self.sessions.transaction() as session:
            again = None if woken else database_now(session) + timedelta(seconds=1)
            repository.change(session, row, next_poll_at=again)
        log.info("operation_ended", job_id=row.job_id, state=status.state, job_woken=woken)
