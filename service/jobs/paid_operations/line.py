"""The line before a provider's quota of operations at once: who may send, and who waits where.

It is in the database: records that are `queued`, in the order of their arrival, of jobs that are
open. One that is admitted or ends wakes the first that waits.
"""

from service.database import Session, Sessions
from service.jobs.models import PaidOperationRow
from service.jobs.paid_operations import repository
from service.jobs.sweeps import wake_job

Table = type[PaidOperationRow]


def place_in_line(session: Session, row: PaidOperationRow, *, most: int) -> int:
    """Return 0 where a record may be sent now, else its place; 1 goes next.

    The caller holds the line until the transaction ends, so that no two take one place.
    """
    repository.lock_line(session, row.line or "")
    waiting = repository.waiting_in_line(session, type(row), row.line or "")
    place = waiting.index(row.job_id) + 1 if row.job_id in waiting else len(waiting) + 1
    free = max(most - repository.count_open(session, type(row), row.line or ""), 0)
    return 0 if place <= free else place - free


def places_in_line(session: Session, table: Table) -> dict[str, int]:
    """Return the places of all jobs that wait in a line of the table, by id; 1 goes next."""
    return {
        job_id: place
        for line in repository.lines(session, table)
        for place, job_id in enumerate(repository.waiting_in_line(session, table, line), start=1)
    }


def wake_next(table: Table, line: str | None, *, sessions: Sessions) -> None:
    """Let the first of a line look whether it may be sent; it wakes the one behind it."""
    if line is None:
        return
    with sessions.reading() as session:
        waiting = repository.waiting_in_line(session, table, line, limit=1)
    for job_id in waiting:
        wake_job(job_id, sessions=sessions)


def recheck_seconds(place: int) -> float:
    """Return when a job looks again that was not woken: those in front look more often."""
    return min(20.0 * place, 600.0)
