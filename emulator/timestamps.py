"""The emulator's time as Google's JSON writes it."""

from datetime import datetime

from emulator.clock import CLOCK


def timestamp() -> str:
    """Return the present moment as RFC 3339 with microseconds, in UTC."""
    return CLOCK.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_of(moment: str) -> float:
    """Return the seconds since 1970 of a `timestamp`."""
    return datetime.fromisoformat(moment).timestamp()
