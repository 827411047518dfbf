"""The emulator's own time: it may run faster than the wall clock and be stepped forward.

Timestamps, the waits of tunings and the quotas go by it; the delays of generations are real time.
"""

import time
from datetime import UTC, datetime

from emulator.errors import GoogleError

LATEST = datetime(9000, 1, 1, tzinfo=UTC).timestamp()


class Clock:
    """Seconds since 1970 that never go back, except by `reset`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Go back to the wall clock and its pace."""
        self._speed = 1.0
        self._set(time.time())

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def ahead_seconds(self) -> float:
        """How far it is before the wall clock."""
        return self.seconds() - time.time()

    def seconds(self) -> float:
        passed = (time.monotonic() - self._set_at) * self._speed
        return min(self._origin + passed, LATEST)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), UTC)

    def advance(self, seconds: float) -> None:
        """Step forward. Raises GoogleError 400 for a step back or beyond the year 9000."""
        if not 0 <= seconds <= LATEST - self.seconds():
            raise GoogleError(400, "advance_seconds must be at least 0 and end by the year 9000.")
        self._set(self.seconds() + seconds)

    def run_at(self, speed: float) -> None:
        """Take another pace from now on; 1 is that of the wall clock."""
        self._set(self.seconds())
        self._speed = speed

    def catch_up(self, moment: datetime) -> None:
        """Be no earlier than a moment an earlier server wrote down."""
        self._set(max(self.seconds(), moment.timestamp()))

    def _set(self, origin: float) -> None:
        self._origin = origin
        self._set_at = time.monotonic()


CLOCK = Clock()
"""The clock of this process: a server has one time."""


def timestamp() -> str:
    """Return the present moment as RFC 3339 with microseconds, in UTC."""
    return CLOCK.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_of(moment: str) -> float:
    """Return the seconds since 1970 of a `timestamp`."""
    return datetime.fromisoformat(moment).timestamp()
