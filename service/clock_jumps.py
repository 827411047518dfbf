"""Times in the database after its clock was set back: those ahead of it do not count."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_

_SLACK = timedelta(minutes=1)  # an NTP step; jumps of less only make things wait so much longer
_LONGEST_LEASE = timedelta(hours=1)


def has_come(moment: Any, *, now: datetime, written: Any) -> ColumnElement[bool]:
    """Return whether a moment has come, or was set by a clock that has been set back since.

    `written` is when the row was; a job that wakes too early only waits again.
    """
    return or_(moment <= now, is_ahead(written, now=now))


def has_come_within(moment: Any, longest: timedelta, *, now: datetime) -> ColumnElement[bool]:
    """Return whether a moment has come, or lies further ahead than a pause of its kind may last."""
    return or_(moment <= now, moment > now + longest)


def is_ahead(moment: Any, *, now: datetime) -> ColumnElement[bool]:
    """Return whether a moment that was the time when it was written is yet to come."""
    ahead: ColumnElement[bool] = moment > now + _SLACK
    return ahead


def has_run_out(lease_until: Any, *, now: datetime) -> ColumnElement[bool]:
    """Return whether a lease is over; one that ends in hours was taken before the clock jumped.

    A worker that lives writes its lease anew before the next sweep but one, and takes no harm.
    """
    return or_(lease_until < now, lease_until > now + _LONGEST_LEASE)
