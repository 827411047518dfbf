"""How often a provider is asked about a paid operation, when that will end, and how long a doubt
takes to settle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from service.errors import Invalid
from service.settings import Settings

_CALL_SECONDS = 30.0
_SETTLE_AT_GOOGLE = 40.0  # the timeout of a call, and what goes before it
_SHARE_OF_AGE = 0.1  # an end is seen late by a tenth of the operation's time at most
_SHARE_OF_REST = 0.5
GIVE_UP = timedelta(hours=24)  # after the deadline, where the provider never answers


@dataclass(frozen=True, slots=True)
class OperationPace:
    """Between two polls pass `poll_seconds` at least and `longest_seconds` at most; after
    `settle_seconds` a request that was sent is either listed by the provider or will never be.
    """

    poll_seconds: float
    settle_seconds: float
    longest_seconds: float = 300.0

    @property
    def submit_seconds(self) -> float:
        """How long a request that pays may go without an answer: no longer than it settles."""
        return min(_CALL_SECONDS, self.settle_seconds * 2 / 3)

    @property
    def settle(self) -> timedelta:
        return timedelta(seconds=self.settle_seconds)


def operation_pace(settings: Settings) -> OperationPace:
    """Return the pace that is set; raises Invalid where a request to Google outlasts settling.

    An emulator is near: requests to it are given up sooner where less time is set.
    """
    if settings.settle_seconds < _SETTLE_AT_GOOGLE and not settings.emulated:
        message = (
            f"TUNECURVE_SETTLE_SECONDS is to be at least {_SETTLE_AT_GOOGLE:g}: a request to "
            "Google may take 30 seconds, and one that is sent again too soon may be paid for twice"
        )
        raise Invalid(message, code="invalid_setting")
    return OperationPace(
        settings.poll_seconds, settings.settle_seconds, settings.longest_poll_seconds
    )


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
