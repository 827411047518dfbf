"""Live control of quotas: paused, resumed or at another rate while jobs run.

The database keeps what was set. Redis has a copy that `pace.lua` reads at every lease; the ticker
writes it again, so that a wiped Redis resumes nothing for long.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog

from service.catalogue.catalogue import Catalogue, unversioned
from service.clock import utc_now
from service.database import Session, Sessions
from service.errors import NotFound, Unavailable
from service.inference import repository
from service.inference.governor import quota_key
from service.inference.models import QuotaControl
from service.inference.redis_governor import write_control
from service.inference.schemas import QuotaChange, QuotaControlView
from service.jobs.lifecycle import Reason
from service.jobs.sweeps import hasten

log = structlog.get_logger()

# A call of a paused quota parks its job for so long; resuming wakes the job at once.
PAUSED_SECONDS = 600.0


def change_quota(
    key: str,
    change: QuotaChange,
    *,
    google_projects: Sequence[str],
    redis_url: str,
    catalogue: Catalogue,
    sessions: Sessions,
) -> QuotaControlView:
    """Set what `change` names of the quota `location/base_model`; the rest stays as it was.

    Holds for this installation, over restarts, until it is changed, in each Google Cloud project
    that it calls. Raises NotFound for a base
    model that is not in the catalogue, and Unavailable when Redis is away: then it is set all the
    same, and holds once Redis is back.
    """
    _require_known(key, catalogue)
    key = unversioned(key)
    with sessions.transaction() as session:
        row = _changed(session, key, change)
        view = _view(row)
    retune = change.requests_per_minute is not None
    _publish(row, google_projects=google_projects, redis_url=redis_url, retune=retune)
    if change.paused is False:
        hasten(Reason.QUOTA, sessions=sessions)
    log.info("quota_changed", key=key, **change.model_dump(exclude_unset=True))
    return view


def publish_controls(
    _now: datetime, *, google_projects: Sequence[str], redis_url: str, sessions: Sessions
) -> None:
    """Write all that is set to Redis again; a Redis that is away gets it at the next sweep."""
    with sessions.reading() as session:
        rows = repository.quota_controls(session)
    try:
        for row in rows:
            _publish(row, google_projects=google_projects, redis_url=redis_url)
    except Unavailable:
        return


def _require_known(key: str, catalogue: Catalogue) -> None:
    location, _, base_model = key.partition("/")
    if not location or catalogue.find(base_model) is None:
        message = f"no quota {key!r}: a key is LOCATION/BASE_MODEL, as `GET /v1/quotas` lists them"
        raise NotFound(message, code="quota_not_found")


def _changed(session: Session, key: str, change: QuotaChange) -> QuotaControl:
    row = repository.lock_quota_control(session, key)
    given = change.model_dump(exclude_unset=True)
    if "in_flight_limit" in given:
        row.in_flight = given.pop("in_flight_limit")
    if "paused" in given:
        row.paused = bool(given.pop("paused"))
    for name, value in given.items():
        setattr(row, name, value)
    row.updated_at = utc_now()
    session.flush()
    return row


def _publish(
    row: QuotaControl, *, google_projects: Sequence[str], redis_url: str, retune: bool = False
) -> None:
    location, _, base_model = row.key.partition("/")
    limits = {
        "paused_seconds": PAUSED_SECONDS if row.paused else None,
        "ceiling": row.requests_per_minute and row.requests_per_minute / 60,
        "tokens_per_second": row.tokens_per_minute and row.tokens_per_minute / 60,
        "cap": row.in_flight,
    }
    given = {name: value for name, value in limits.items() if value is not None}
    for project in google_projects:
        key = quota_key(project, location=location, base_model=base_model)
        write_control(redis_url, key, given, retune=retune)


def _view(row: QuotaControl) -> QuotaControlView:
    return QuotaControlView(
        key=row.key,
        paused=row.paused,
        requests_per_minute=row.requests_per_minute,
        tokens_per_minute=row.tokens_per_minute,
        in_flight_limit=row.in_flight,
    )
