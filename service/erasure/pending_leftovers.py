"""What deleted outputs have left outside the database: noted, erased at once or by the sweep."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from service.database import Session, Sessions, database_now
from service.erasure import repository
from service.erasure.models import PendingErasure
from service.erasure.ports import ErasureServices
from service.erasure.schemas import Erasure
from service.errors import DatabaseUnavailable, TunecurveError
from service.ids import Prefix, new_id
from service.storage.leftovers import Leftover, LeftoverKind

log = structlog.get_logger()

REMOTE = frozenset({LeftoverKind.TUNED, LeftoverKind.BATCH})
_AT_ONCE = 50
_CLAIM = timedelta(minutes=5)
_FIRST_RETRY_SECONDS = 5.0


def note_leftovers(
    session: Session, leftovers: Sequence[Leftover], *, output: str, project_id: str
) -> list[PendingErasure]:
    """Write down what is to be erased, in the transaction that deletes an output's rows.

    The deleted rows' bytes in the database are one of them.
    """
    now = database_now(session)
    everything = [*leftovers, Leftover(LeftoverKind.DATABASE, output)]
    rows = [
        PendingErasure(
            id=new_id(Prefix.ERASURE),
            project_id=project_id,
            output=output,
            kind=each.kind.value,
            target=each.target,
            provider=each.provider,
            attempts=0,
            due_at=now if each.kind in REMOTE else now + _CLAIM,
            created_at=now,
        )
        for each in everything
    ]
    repository.add(session, rows)
    return rows


def erase_here(rows: Sequence[PendingErasure], *, services: ErasureServices) -> None:
    """Erase at once what needs no provider; what cannot be erased now is left to the sweep.

    The rows are gone: a database that cannot even note that is no reason to answer otherwise.
    """
    for row in rows:
        if LeftoverKind(row.kind) not in REMOTE:
            with suppress(DatabaseUnavailable):
                _erase(row, services)


def has_due(*, sessions: Sessions) -> bool:
    """Return whether anything is to be erased now."""
    with sessions.reading() as session:
        return repository.has_due(session, now=database_now(session))


def erase_due(*, services: ErasureServices) -> int:
    """Erase what is due, and return how much was tried; what fails is tried again, for ever.

    Each is claimed by moving it ahead, so two sweeps never erase the same.
    """
    with services.sessions.transaction() as session:
        now = database_now(session)
        rows = repository.take_due(session, now=now, until=now + _CLAIM, limit=_AT_ONCE)
    for row in rows:
        _erase(row, services)
    return len(rows)


def _erase(row: PendingErasure, services: ErasureServices) -> None:
    leftover = Leftover(LeftoverKind(row.kind), row.target, row.provider)
    try:
        services.erasers[leftover.kind](leftover, row.project_id)
    except TunecurveError as error:
        seconds = _FIRST_RETRY_SECONDS * 2.0 ** min(row.attempts, 10)
        pause = min(repository.LONGEST_RETRY, timedelta(seconds=seconds))
        log.warning("erasure_failed", output=row.output, kind=row.kind, code=error.code)
        with services.sessions.transaction() as session:
            until = database_now(session) + pause
            repository.postpone(session, row.id, error=error.code[:100], until=until)
        return
    with services.sessions.transaction() as session:
        repository.finish(session, row.id)


def list_erasures(
    project_id: str, *, after: str | None, limit: int, sessions: Sessions
) -> list[Erasure]:
    """Return a page of what a project has still to be erased, newest first."""
    with sessions.reading() as session:
        rows = repository.page(session, project_id, after=after, limit=limit)
        return [Erasure.model_validate(row) for row in rows]
