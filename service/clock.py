"""The process's clock: the only place that reads the time."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time now, aware, in UTC, to the microsecond."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Return `2026-11-21T08:00:00.000000Z`: sortable as text, what every API answer uses."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
