"""Writes what polls have found: unchanged operations at once, changed ones one by one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from service.clock import rfc3339
from service.database import Session, Sessions, database_now
from service.jobs import repository as jobs
from service.jobs.events import emit_event, show_operation
from service.jobs.models import Job, PaidOperationRow
from service.jobs.paid_operations import repository
from service.jobs.paid_operations.pace import expected_end
from service.jobs.paid_operations.ports import Row
from service.jobs.paid_operations.states import FINAL_STATES, OperationState, OperationStatus
from service.webhooks.events import EventType

log = structlog.get_logger()

Found = Sequence[tuple[Row, OperationStatus]]


def record_polls(table: type[Row], found: Found[Row], *, sessions: Sessions) -> list[Row]:
    """Keep what polls have found; return the records that have ended, each to be woken."""
    same = [row for row, status in found if not _is_news(row, status)]
    if same:
        with sessions.transaction() as session:
            names = [row.job_id for row in same]
            repository.confirm(session, table, names, now=database_now(session))
    changed = [
        _record_news(row, status, sessions) for row, status in found if _is_news(row, status)
    ]
    return [row for row in (*same, *changed) if OperationState(row.state) in FINAL_STATES]


def _is_news(row: PaidOperationRow, status: OperationStatus) -> bool:
    known = row.state, row.provider_state or "", row.phase or ""
    reported = status.state.value, status.provider_state, status.phase
    return known != reported or row.progress != _progress_of(status, row)


def _progress_of(status: OperationStatus, row: PaidOperationRow) -> dict[str, Any] | None:
    """Return the progress that is reported; one that is reported no more stands."""
    reported = status.progress
    if reported is None:
        return row.progress
    return {"done": reported.done, "total": reported.total, "unit": reported.unit}


def _record_news(row: Row, status: OperationStatus, sessions: Sessions) -> Row:
    """Write a change with its events. What has ended stays as it ended, whatever comes later."""
    with sessions.transaction() as session:
        now = database_now(session)
        # The job before its record: the order in which the job's own run locks them.
        job = jobs.lock(session, row.job_id)
        current = repository.change(
            session, row, polled_at=now, missing_since=None, unanswered_since=None
        )
        before = current.provider_state or "", current.phase or ""
        progressed = take_status(current, status, now)
        session.flush()
        reported = {"provider_state": current.provider_state or "", "phase": current.phase or ""}
        is_new = before != (reported["provider_state"], reported["phase"])
        if job is not None and (is_new or progressed):
            provider = reported if is_new else None
            shown = _shown_progress(current)
            show_operation(session, job, progress=shown, provider=provider, now=now)
    return current


def take_status(row: PaidOperationRow, status: OperationStatus, now: datetime) -> bool:
    """Take a status over into its record; return whether another number of units is done. Pure.

    A record that has ended stays as it is, whatever its provider says later.
    """
    if OperationState(row.state) in FINAL_STATES:
        return False
    progress, before = _progress_of(status, row), row.progress or {}
    progressed = progress is not None and progress["done"] != before.get("done", 0)
    if progressed:
        row.progressed_at = now
    if status.is_started and row.running_since is None:
        row.running_since = now
        row.begin(now)
    row.provider_state, row.phase, row.progress = status.provider_state, status.phase, progress
    if status.state in FINAL_STATES:
        row.state, row.finished_at = status.state.value, row.finished_at or now
        row.record(result=status.result or {}, error=status.error)
    return progressed


def _shown_progress(row: PaidOperationRow) -> dict[str, Any] | None:
    """Return the progress of a job that waits for its operation; None before any is known."""
    if not row.phase and row.progress is None:
        return None
    end = expected_end(
        row.progress, running_since=row.running_since, progressed_at=row.progressed_at
    )
    counted = row.progress or {"done": 0, "total": None, "unit": "epochs"}
    return {**counted, "stage": row.phase or None, "eta": rfc3339(end) if end else None}


def warn_unanswered(row: Row, *, code: str, place: str, sessions: Sessions) -> None:
    """Write once in an outage that an operation's place does not answer; the operation runs."""
    if row.unanswered_since is not None:
        return
    with sessions.transaction() as session:
        job = jobs.lock(session, row.job_id)
        current = repository.change(session, row)
        if current.unanswered_since is not None:
            return
        current.unanswered_since = database_now(session)
        _warn(session, job, why="provider_unanswered", code=code, place=place)


def _warn(session: Session, job: Job | None, **details: str) -> None:
    if job is not None:
        emit_event(session, job, EventType.JOB_WARNING, **details)
