"""Paid operations at a provider: each is sent once, found again after doubt, and seen to its end.

A tuning and a batch prediction are such operations. Providers have no idempotency key, so a record
(the intent) is written before the request, which carries the record's id as a label. After an
answer that leaves open whether the request arrived, the operation is looked for by its label, and
only one that is not there, and whose input was taken away (`fence`), is sent again. The sweep in
`sweep` asks about all that run, and wakes the job of each one that has ended. What carries our
label and no record owns is cancelled (`strays`). Where a provider runs few at once, the others wait
in a line (`line`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic

import structlog

from service.database import Sessions, database_now
from service.errors import Forbidden, Invalid, NotFound, RateLimited, TunecurveError, Unavailable
from service.jobs.lifecycle import Reason
from service.jobs.paid_operations import repository
from service.jobs.paid_operations.fence import Reconciled, search_attempts
from service.jobs.paid_operations.line import place_in_line, recheck_seconds, wake_next
from service.jobs.paid_operations.pace import GIVE_UP, OperationPace
from service.jobs.paid_operations.ports import PaidOperation, Row
from service.jobs.paid_operations.states import (
    FINAL_STATES,
    IN_DOUBT,
    NOT_SENT,
    PROVIDER_CONFLICT,
    OperationState,
    same_resource,
    strays_of,
)
from service.jobs.paid_operations.strays import cancel_strays, note_doubt
from service.jobs.ports import JobCancelled, JobRun, LeaseLost, Waiting

log = structlog.get_logger()

CANCEL_AGAIN_SECONDS = 10.0
_MOST_CONFLICTS = 5  # requests in a row that are answered 409 while nothing of ours is there


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
            if row.input_removed and row.is_unread:
                return self._send_anew(row)
            self._clean_up(row)
            return row
        if row.state == OperationState.QUEUED:
            return self._queue(row)
        if row.resource_name is None:
            return self._resume(row, now)
        return self._cancel(row) if self.run.cancelling else Waiting(Reason.PROVIDER)

    def _begin(self) -> Waiting:
        if self.run.cancelling:
            raise JobCancelled
        self.operation.connect()
        row = self.operation.prepare()
        row.job_id, row.state = self.run.id, OperationState.QUEUED.value
        with self.run.fenced() as session:
            row.intended_at = database_now(session)
            repository.add(session, row)
        return self._queue(row)

    def _queue(self, row: Row) -> Waiting:
        """Write the intent and send, as soon as the quota of operations at once has room."""
        if self.run.cancelling:
            self._end_unsent(row, OperationState.CANCELLED)
            raise JobCancelled
        most, place = self.operation.most_open, 0
        with self.run.fenced() as session:
            if most is not None:
                place = place_in_line(session, row, most=most)
            if place == 0:
                intent = {"state": OperationState.INTENDED.value}
                now = database_now(session)
                row = repository.change(session, row, intended_at=now, **intent)
        if place:
            return Waiting(Reason.QUOTA, seconds=recheck_seconds(place))
        wake_next(self.table, row.line, sessions=self.sessions)
        return self._send(row)

    def _resume(self, row: Row, now: datetime) -> Waiting:
        """Adopt the operation that may have been sent before; send it only if there is none."""
        remaining = row.intended_at + self.pace.settle - now
        if remaining > timedelta():
            return Waiting(Reason.RETRY, seconds=remaining.total_seconds(), error=IN_DOUBT)
        sent = search_attempts(self.run, self.operation, row, age=now - row.intended_at)
        if sent is None:
            return self._later(IN_DOUBT)
        note_doubt(row, sessions=self.sessions)
        if sent.ours is not None:
            return self._adopt(row, sent, sent.ours)
        if self.run.cancelling:
            self._end_unsent(row, OperationState.CANCELLED)
            raise JobCancelled
        with self.run.fenced() as session:
            now = database_now(session)
            row = repository.change(session, row, intended_at=now)
        return self._send(row)

    def _send_anew(self, row: Row) -> Waiting:
        """The input was deleted before the provider had read it: nothing was done, nor billed."""
        log.warning("operation_void", job_id=self.run.id, resource_name=row.resource_name)
        with self.run.fenced() as session:
            row = repository.queue_again(session, row, now=database_now(session))
        return self._queue(row)

    def _adopt(self, row: Row, sent: Reconciled, ours: str) -> Waiting:
        log.info("operation_adopted", job_id=self.run.id, resource_name=ours)
        waiting = self._accept(row, ours, input_removed=sent.input_removed)
        self._cancel_strays(sent.strays)
        return waiting

    def _stage(self, row: Row) -> Sequence[str] | None:
        """Copy the input for this attempt; None where the store does not answer now."""
        try:
            return self.operation.stage(row)
        except (Invalid, Forbidden, NotFound) as error:
            self._refuse(row, error)
            raise
        except Unavailable as error:
            log.warning("input_not_staged", job_id=self.run.id, code=error.code)
            return None

    def _send(self, row: Row) -> Waiting:
        inputs = self._stage(row)
        if inputs is None or not self._may_send():
            return self._later(NOT_SENT)
        try:
            resource_name = self.operation.submit(row, inputs)
        except RateLimited:
            return Waiting(Reason.QUOTA, seconds=self.pace.settle_seconds)
        except (Invalid, Forbidden, Unavailable, NotFound) as error:
            if self._is_refused(error):
                return self._adopt_or_refuse(row, error)
            # The request may have arrived. It is looked for before it is ever sent again.
            log.warning("operation_in_doubt", job_id=self.run.id, code=error.code)
            return self._later(error)
        log.info("operation_submitted", job_id=self.run.id, resource_name=resource_name)
        try:
            return self._accept(row, resource_name)
        except LeaseLost:
            self._disown(row, resource_name)
            raise

    def _later(self, error: TunecurveError) -> Waiting:
        return Waiting(Reason.RETRY, seconds=self.pace.settle_seconds, error=error)

    def _is_refused(self, error: TunecurveError) -> bool:
        """Return whether an answer is the last word: a refusal, or a doubt that does not end."""
        if isinstance(error, Invalid | Forbidden):
            return True
        current = self._current()
        sends = 1 if current is None else current.sends
        if isinstance(error, NotFound):  # one odd 404 is none
            return sends > 1
        if error.code == PROVIDER_CONFLICT:
            return sends >= _MOST_CONFLICTS
        return sends * self.pace.settle > GIVE_UP

    def _adopt_or_refuse(self, row: Row, error: TunecurveError) -> Waiting:
        """Refuse, unless what was asked for was made all the same: a proxy may have answered."""
        sent = search_attempts(self.run, self.operation, row, age=timedelta())
        if sent is None:
            return self._later(IN_DOUBT)
        if sent.ours is not None:
            return self._adopt(row, sent, sent.ours)
        self._refuse(row, error)
        note_doubt(row, sessions=self.sessions)  # a list may lag
        raise error

    def _refuse(self, row: Row, error: TunecurveError) -> None:
        problem = {"kind": error.code, "message": error.message}
        self._end_unsent(row, OperationState.FAILED, error=problem)

    def _current(self) -> Row | None:
        with self.sessions.reading() as session:
            return repository.find(session, self.table, self.run.id)

    def _disown(self, row: Row, resource_name: str) -> None:
        """Cancel what was sent after another worker had taken over and has its own, or had ended
        the job. Where that worker still looks for one it finds this one.
        """
        current = self._current()
        if current is None:
            self._cancel_strays([resource_name])
            return
        note_doubt(row, sessions=self.sessions)
        kept = current.resource_name
        is_over = kept is None and OperationState(current.state) in FINAL_STATES
        if is_over or (kept and not same_resource(kept, resource_name)):
            self._cancel_strays([resource_name])

    def _cancel_strays(self, names: Sequence[str]) -> bool:
        return cancel_strays(
            names, job_id=self.run.id, cancel=self.operation.cancel, sessions=self.sessions
        )

    def _clean_up(self, row: Row) -> None:
        """After the end, cancel what carries the label and is not that one; delete the inputs."""
        kept, done = row.resource_name, True
        try:
            if kept is not None:
                done = self._cancel_strays(strays_of(self.operation.find(row), kept))
            self.operation.staged(row).delete_all()
        except TunecurveError as error:
            log.warning("operation_not_cleaned_up", job_id=self.run.id, code=error.code)
            done = False
        if not done:
            note_doubt(row, sessions=self.sessions)

    def _may_send(self) -> bool:
        """Look right before the request: the lease is ours, so no other waits for it to settle yet.

        The input was staged before: where it is taken away after, that is for good.
        """
        with self.run.fenced() as session:
            current = repository.find(session, self.table, self.run.id)
            if current is None or current.state != OperationState.INTENDED:
                return False
            now = database_now(session)
            repository.change(session, current, sends=current.sends + 1, intended_at=now)
            return True

    def _accept(self, row: Row, resource_name: str, *, input_removed: bool = False) -> Waiting:
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
                input_removed=input_removed,
            )
        return Waiting(Reason.PROVIDER)

    def _cancel(self, row: Row) -> Waiting:
        """Ask the provider to stop until it has: what it does not hear of bills on."""
        try:
            self.operation.cancel(row.resource_name or "")
        except (Unavailable, RateLimited, Forbidden, NotFound, Invalid) as error:
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
        self._clean_up(row)
        wake_next(self.table, row.line, sessions=self.sessions)
