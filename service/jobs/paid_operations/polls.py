"""Polls of one place of a provider about some of its operations, and its answers kept."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic

import structlog

from service.database import Sessions, database_now
from service.errors import Forbidden, NotFound, RateLimited, TunecurveError, Unavailable
from service.jobs.models import PaidOperationRow
from service.jobs.paid_operations import repository
from service.jobs.paid_operations.line import wake_next
from service.jobs.paid_operations.pace import GIVE_UP
from service.jobs.paid_operations.ports import Row
from service.jobs.paid_operations.provider_circuits import Circuits
from service.jobs.paid_operations.records import record_polls, warn_unanswered
from service.jobs.paid_operations.states import (
    FINAL_STATES,
    FoundOperation,
    OperationState,
    OperationStatus,
)
from service.jobs.sweeps import wake_job
from service.storage.staged_inputs import StagedInputs

log = structlog.get_logger()

# What a whole place says, and not of one operation alone.
_OF_THE_PLACE = (Unavailable, RateLimited, Forbidden)
LISTED = 50  # so many are first looked for in the provider's list


@dataclass(frozen=True, slots=True)
class PolledTable(Generic[Row]):
    """A table of operations, and what the sweep asks of their provider.

    `place` names the provider's location that an operation is at. `find` returns all that carry
    the label of a record, `drop` cancels one of them that no record owns; `staged` is where copies
    of its input may lie. `poll_many` returns, by
    job, what one list says of many: those missing are polled one by one.
    """

    table: type[Row]
    place: Callable[[Row], str]
    poll: Callable[[Row], OperationStatus]
    cancel: Callable[[Row], None]
    find: Callable[[Row], Sequence[FoundOperation]]
    drop: Callable[[Row, str], None]
    staged: Callable[[Row], StagedInputs]
    poll_many: Callable[[Sequence[Row]], Mapping[str, OperationStatus]] | None = None


PolledTables = Sequence[PolledTable[Any]]


class PlacePoll(Generic[Row]):
    """Polls of operations at one place, one after another."""

    def __init__(
        self,
        polled: PolledTable[Row],
        place: str,
        *,
        sessions: Sessions,
        settle: timedelta,
        circuits: Circuits,
    ) -> None:
        self._polled, self._place, self._settle = polled, place, settle
        self._sessions, self._circuits = sessions, circuits
        self._began = sessions.now(), time.monotonic()

    def list(self, rows: Sequence[Row]) -> list[Row]:
        """Keep what the provider's list says of many; return those to be asked about singly."""
        if self._polled.poll_many is None or not self._may_call(rows):
            return list(rows)
        try:
            answers = self._polled.poll_many(rows)
        except TunecurveError as error:
            log.warning("operation_list_failed", place=self._place, code=error.code)
            if isinstance(error, _OF_THE_PLACE):
                self._note_failure(rows, error)
            return list(rows)
        self._circuits.note_answer(self._place)
        self._keep([row for row in rows if row.job_id in answers], lambda row: answers[row.job_id])
        return [row for row in rows if row.job_id not in answers]

    def poll(self, rows: Sequence[Row]) -> None:
        """Ask about each, and keep what is answered."""
        self._keep(rows, self._polled.poll)

    def _keep(self, rows: Iterable[Row], ask: Callable[[Row], OperationStatus]) -> None:
        found = [(row, status) for row in rows if (status := self._status(row, ask)) is not None]
        for row in record_polls(self._polled.table, found, sessions=self._sessions):
            self._wake(row)

    def _status(self, row: Row, ask: Callable[[Row], OperationStatus]) -> OperationStatus | None:
        """Return what is to be kept of an operation; None where that is to be asked again."""
        now = self._now()
        overdue = now - row.deadline_at if row.deadline_at else timedelta(-1)
        if not self._may_call([row]):
            silent = Unavailable(f"{self._place} does not answer", code="provider_unavailable")
            return self._unanswered(row, silent, overdue)
        try:
            status = ask(row)
            if overdue > timedelta():
                status = self._past_deadline(row, status)
        except NotFound as error:
            self._circuits.note_answer(self._place)
            return self._missing(row, error, now)
        except _OF_THE_PLACE as error:
            self._note_failure([row], error)
            return self._unanswered(row, error, overdue)
        except TunecurveError as error:
            log.warning("operation_poll_failed", job_id=row.job_id, code=error.code)
            return _given_up(error) if overdue > GIVE_UP else None
        self._circuits.note_answer(self._place)
        return status

    def _may_call(self, rows: Sequence[Row]) -> bool:
        now = self._now()
        return self._circuits.allow(self._place, now, interval=_interval(rows, now))

    def _note_failure(self, rows: Sequence[Row], error: TunecurveError) -> None:
        now = self._now()
        interval = _interval(rows, now)
        self._circuits.note_failure(self._place, now, code=error.code, interval=interval)

    def _now(self) -> datetime:
        """Return about the database's time, without asking it."""
        moment, clock = self._began
        return moment + timedelta(seconds=time.monotonic() - clock)

    def _past_deadline(self, row: Row, status: OperationStatus) -> OperationStatus:
        if status.state not in FINAL_STATES:
            self._polled.cancel(row)
        if status.state is not OperationState.CANCELLED:
            return status
        words = f"it was not done by {row.deadline_at:%Y-%m-%d %H:%M} UTC, and was cancelled"
        return replace(status, error={"kind": "deadline_exceeded", "message": words})

    def _unanswered(
        self, row: Row, error: TunecurveError, overdue: timedelta
    ) -> OperationStatus | None:
        log.warning("operation_poll_failed", job_id=row.job_id, code=error.code)
        if overdue > GIVE_UP:
            return _given_up(error)
        if not self._may_call([row]):
            warn_unanswered(row, code=error.code, place=self._place, sessions=self._sessions)
        return None

    def _missing(self, row: Row, error: NotFound, now: datetime) -> OperationStatus | None:
        """A provider may not list yet what it has just created: only a lasting answer counts."""
        since = row.missing_since or now
        if now - since > self._settle:
            problem = {"kind": error.code, "message": error.message}
            return OperationStatus(OperationState.FAILED, "NOT_FOUND", error=problem)
        log.warning("operation_missing", job_id=row.job_id, since=since.isoformat())
        with self._sessions.transaction() as session:
            repository.change(session, row, missing_since=since)
        return None

    def _wake(self, row: Row) -> None:
        """Wake the job of an operation that has ended; until it could be woken, poll again."""
        wake_next(self._polled.table, row.line, sessions=self._sessions)
        woken = wake_job(row.job_id, sessions=self._sessions)
        with self._sessions.transaction() as session:
            again = None if woken else database_now(session) + timedelta(seconds=1)
            repository.change(session, row, next_poll_at=again)
        log.info("operation_ended", job_id=row.job_id, state=row.state, job_woken=woken)


def _interval(rows: Sequence[PaidOperationRow], now: datetime) -> timedelta | None:
    """Return the shortest time until one of them, just claimed, is due again."""
    return min((row.next_poll_at - now for row in rows if row.next_poll_at), default=None)


def _given_up(error: TunecurveError) -> OperationStatus:
    problem = {"kind": error.code, "message": error.message}
    return OperationStatus(OperationState.FAILED, "", error=problem)
