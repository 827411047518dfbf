"""The sweep that reads the training curves of tunings that run, and once more when they end.

Reading one takes several requests to its provider, so it is done at growing intervals.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

import structlog

from service.database import Sessions, database_now
from service.errors import TunecurveError
from service.jobs.paid_operations.pace import OperationPace
from service.jobs.paid_operations.provider_circuits import Circuits
from service.jobs.paid_operations.states import FINAL_STATES, OperationState
from service.tuning import repository
from service.tuning.curves.records import record_metrics
from service.tuning.models import TuningRun
from service.tuning.polls import own_identity, place_of_tuning
from service.tuning.ports import AccountOf, Providers

log = structlog.get_logger()

_AT_ONCE, _THREADS = 32, 8
_SHARE_OF_AGE = 0.1
_SHORTEST_POLLS = 2
_LAST_TRIES, _TRY_AGAIN = timedelta(hours=1), timedelta(minutes=1)


def has_due_metrics(sessions: Sessions) -> bool:
    """Return whether the curves of any tuning are to be read."""
    with sessions.reading() as session:
        return repository.has_due_metrics(session, now=database_now(session))


def read_due_metrics(
    providers: Providers,
    *,
    account_of: AccountOf = own_identity,
    sessions: Sessions,
    pace: OperationPace,
) -> int:
    """Read the training curves that are due; return of how many tunings.

    A tuning is claimed by moving its next reading ahead. What cannot be read now is read then.
    """
    with sessions.transaction() as session:
        now = database_now(session)
        due = repository.due_metrics(session, now=now, limit=_AT_ONCE)
        for row in due:
            row.metrics_due_at = _next_reading(row, now, pace)
    if not due:
        return 0
    circuits = Circuits(sessions)
    answering = [row for row in due if circuits.allow(place_of_tuning(row, account_of), now)]
    read = partial(_read, providers=providers, sessions=sessions)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="metrics") as threads:
        list(threads.map(read, answering))
    return len(due)


def _next_reading(row: TuningRun, now: datetime, pace: OperationPace) -> datetime | None:
    """Return when curves are read again; None after the last try for one that has ended."""
    if OperationState(row.state) in FINAL_STATES:
        ended = row.finished_at or now
        return now + _TRY_AGAIN if now - ended < _LAST_TRIES else None
    age = (now - (row.running_since or now)) * _SHARE_OF_AGE
    return now + min(
        max(age, timedelta(seconds=_SHORTEST_POLLS * pace.poll_seconds)), repository.LONGEST_PAUSE
    )


def _read(row: TuningRun, *, providers: Providers, sessions: Sessions) -> None:
    with sessions.reading() as session:
        known = repository.last_steps(session, row.job_id)
    after = min(known.values(), default=-1)
    try:
        provider = providers(row.project_id).find(row.provider)
        points = provider.training_metrics(row.resource_name or "", after_step=after)
    except TunecurveError as error:
        log.warning("training_metrics_unread", job_id=row.job_id, code=error.code)
        return
    with sessions.transaction() as session:
        record_metrics(session, row.job_id, points)
        if OperationState(row.state) in FINAL_STATES:
            repository.end_metrics(session, row.id)
