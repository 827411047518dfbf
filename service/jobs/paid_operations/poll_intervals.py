"""When an operation that runs at a provider will end, and when to ask about it next. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from service.jobs.paid_operations.pace import OperationPace

_SHARE_OF_AGE = 0.1  # an end is seen late by a tenth of the operation's time at most
_SHARE_OF_REST = 0.5


def expected_end(
    progress: Mapping[str, Any] | None,
    *,
    running_since: datetime | None,
    progressed_at: datetime | None,
) -> datetime | None:
    """Return when all will be done at the pace so far (`done` of `total` since it began).

    None before the first unit is done, and after the last, when what is left has no known pace.
    """
    if not progress or running_since is None or progressed_at is None:
        return None
    done, total = int(progress["done"]), int(progress["total"])
    if not 0 < done < total:
        return None
    return running_since + (progressed_at - running_since) * total / done


def poll_interval(
    *, now: datetime, accepted_at: datetime, end: datetime | None, pace: OperationPace
) -> timedelta:
    """Return the pause before the next poll, between the bounds of the pace.

    Half of the time to the expected end, or since it when that has passed; where no end is
    expected, a tenth of the operation's age.
    """
    wanted = (now - accepted_at) * _SHARE_OF_AGE
    if end is not None:
        wanted = abs(end - now) * _SHARE_OF_REST
    shortest = timedelta(seconds=pace.poll_seconds)
    return min(max(wanted, shortest), max(timedelta(seconds=pace.longest_seconds), shortest))
