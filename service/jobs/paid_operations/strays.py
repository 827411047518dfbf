"""Strays: operations with our label that no record owns, such as a second one that was sent by a
worker which had stood still. They are found by the label and cancelled, so that none bills unseen.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog

from service.database import Sessions, database_now
from service.errors import TunecurveError
from service.jobs import repository as jobs
from service.jobs.events import emit_event
from service.jobs.models import PaidOperationRow
from service.jobs.paid_operations import repository
from service.jobs.paid_operations.ports import Row
from service.jobs.paid_operations.states import (
    FINAL_STATES,
    FoundOperation,
    OperationState,
    strays_of,
)
from service.storage.staged_inputs import StagedInputs
from service.webhooks.events import EventType

log = structlog.get_logger()

FIRST_LOOK = timedelta(minutes=2)
_LAST_LOOK = timedelta(days=7)  # a worker that stood still for longer is not waited for

_BATCH = 20
Cancel = Callable[[str], None]


def cancel_strays(names: Sequence[str], *, job_id: str, cancel: Cancel, sessions: Sessions) -> bool:
    """Cancel operations of a job that no record owns, each with an event.

    Returns whether the provider took all of it.
    """
    done = True
    for name in names:
        try:
            cancel(name)
        except TunecurveError as error:
            log.warning("stray_not_cancelled", job_id=job_id, resource=name, code=error.code)
            done = False
            continue
        log.warning("stray_cancelled", job_id=job_id, resource_name=name)
        with sessions.transaction() as session:
            job = jobs.lock(session, job_id)
            if job is not None:
                emit_event(
                    session, job, EventType.JOB_WARNING, why="stray_cancelled", resource=name
                )
    return done


def reconcile(
    table: type[Row],
    *,
    find: Callable[[Row], Sequence[FoundOperation]],
    drop: Callable[[Row, str], None],
    staged: Callable[[Row], StagedInputs],
    sessions: Sessions,
) -> None:
    """Look for strays of the records that are due, and cancel them; a look that fails is repeated.

    The inputs of one that has ended go as well: a worker that stood still may have copied one late.
    A record that is still to be sent or found, perhaps again, is its job's own affair.
    """
    with sessions.transaction() as session:
        now = database_now(session)
        due = repository.take_doubtful(
            session, table, now=now, until=now + FIRST_LOOK, limit=_BATCH
        )
    for row in due:
        if row.resource_name is None and OperationState(row.state) not in FINAL_STATES:
            continue
        try:
            strays = strays_of(find(row), row.resource_name)
            if OperationState(row.state) in FINAL_STATES and not row.input_removed:
                staged(row).delete_all()
        except TunecurveError as error:
            log.warning("operation_search_failed", job_id=row.job_id, code=error.code)
            continue
        if cancel_strays(strays, job_id=row.job_id, cancel=partial(drop, row), sessions=sessions):
            with sessions.transaction() as session:
                repository.change(session, row, reconcile_at=look_again_at(row, now))


def look_again_at(row: PaidOperationRow, now: datetime) -> datetime | None:
    """Return when to look for strays of a record next: later each time, for a week at most."""
    age = max(now - row.intended_at, FIRST_LOOK)
    return None if age > _LAST_LOOK else now + age


def note_doubt(row: PaidOperationRow, *, sessions: Sessions) -> None:
    """Have the sweep look for strays of a record: it may have been sent more than once."""
    with sessions.transaction() as session:
        now = database_now(session)
        repository.change(session, row, reconcile_at=now + FIRST_LOOK)
