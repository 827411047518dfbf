"""The time as Google's JSON writes it."""

from datetime import UTC, datetime


def timestamp() -> str:
    """Return the present moment as RFC 3339 with microseconds, in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def age_seconds(moment: str) -> float:
    """Return the seconds since a `timestamp`; negative when the clock was set back."""
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
