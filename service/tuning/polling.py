"""When to ask a provider again. Pure."""

from datetime import datetime, timedelta
from random import Random

JITTER = 0.1


def next_poll(now: datetime, *, poll_seconds: float, random: Random) -> datetime:
    """Return the next time, ±10 % so that tunings started together do not poll together."""
    return now + timedelta(seconds=poll_seconds * random.uniform(1 - JITTER, 1 + JITTER))


def is_overdue(now: datetime, submitted_at: datetime | None, *, deadline_hours: float) -> bool:
    """Return whether a tuning has taken longer than we are willing to wait."""
    return submitted_at is not None and now - submitted_at > timedelta(hours=deadline_hours)


def settled_at(intended_at: datetime, *, settle_seconds: float) -> datetime:
    """Return when a request sent at `intended_at` is either listed or will never be.

    A worker that died may have a request under way; searching before this moment could miss
    it, and sending again would start a second, paid, tuning.
    """
    return intended_at + timedelta(seconds=settle_seconds)
