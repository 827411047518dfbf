"""How long each kind of data is kept; what is older is deleted by the sweep, users first."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog

from service.database import Session, Sessions, database_now
from service.erasure import repository
from service.erasure.operations import delete_job, delete_output
from service.erasure.ports import ErasureServices
from service.erasure.schemas import Retention, RetentionRule
from service.errors import Conflict, NotFound
from service.ids import Prefix
from service.retention_settings import RetentionSettings

log = structlog.get_logger()

_AT_ONCE = 100
_COUNTED = 10_000
# What needs others goes before them.
_OUTPUTS = {
    "experiment": Prefix.EXPERIMENT,
    "evaluation": Prefix.EVALUATION,
    "model": Prefix.MODEL,
    "dataset": Prefix.DATASET,
    "file": Prefix.FILE,
    "job": Prefix.JOB,
}
_OTHERS = ("cache", "event", "delivery", "audit")


def purge_outdated(settings: RetentionSettings, *, services: ErasureServices) -> int:
    """Delete outputs and ended jobs that are older than their kind is kept; return how many.

    What something still needs, or a job may still write, stays until the next sweep after that.
    """
    deleted = held = 0
    with services.sessions.reading() as session:
        now = database_now(session)
    for kind in _OUTPUTS:
        for found, project_id in _outdated(kind, settings, now=now, sessions=services.sessions):
            try:
                if kind == "job":
                    delete_job(found, project_id=project_id, services=services)
                else:
                    delete_output(found, project_id=project_id, services=services)
                deleted += 1
            except Conflict:
                held += 1
            except NotFound:
                continue  # another caller was faster
    if deleted or held:
        log.info("outdated_purged", deleted=deleted, held=held)
    return deleted


def retention_of(settings: RetentionSettings, *, project_id: str, sessions: Sessions) -> Retention:
    """Return how long each kind of data is kept, and how much of a project's is older."""
    with sessions.reading() as session:
        now = database_now(session)
        rules = [
            RetentionRule(
                data=kind,
                days=_days(kind, settings) or None,
                setting=f"TUNECURVE_{kind.upper()}_DAYS",
                overdue=_overdue(session, kind, settings, now=now, project_id=project_id),
            )
            for kind in (*_OUTPUTS, *_OTHERS)
        ]
    return Retention(rules=rules)


def _outdated(
    kind: str, settings: RetentionSettings, *, now: datetime, sessions: Sessions
) -> Iterator[tuple[str, str]]:
    """Yield ids and projects, page by page: what stays is looked at once."""
    after: str | None = "" if _days(kind, settings) else None
    while after is not None:
        with sessions.reading() as session:
            page = _page(session, kind, settings, now=now, after=after, limit=_AT_ONCE)
        yield from page
        after = page[-1][0] if len(page) == _AT_ONCE else None


def _page(
    session: Session,
    kind: str,
    settings: RetentionSettings,
    *,
    now: datetime,
    after: str = "",
    project_id: str | None = None,
    limit: int,
) -> list[tuple[str, str]]:
    before = now - timedelta(days=_days(kind, settings))
    if kind == "job":
        return repository.submitted_jobs(
            session, before=before, project_id=project_id, after=after, limit=limit
        )
    return repository.outputs(
        session, _OUTPUTS[kind], before=before, project_id=project_id, after=after, limit=limit
    )


def _overdue(
    session: Session, kind: str, settings: RetentionSettings, *, now: datetime, project_id: str
) -> int | None:
    if kind not in _OUTPUTS or not _days(kind, settings):
        return None
    return len(_page(session, kind, settings, now=now, project_id=project_id, limit=_COUNTED))


def _days(kind: str, settings: RetentionSettings) -> float:
    days: float = getattr(settings, f"{kind}_days")
    return days
