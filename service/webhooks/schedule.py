"""The retry schedule of deliveries, and when an endpoint is disabled. Pure.

The times are those of the Standard Webhooks specification.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_MINUTE, _HOUR = 60, 3600
SCHEDULE_SECONDS = (
    0,
    5,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
JITTER_SHARE = 0.2
LONGEST_DELAY = timedelta(seconds=max(SCHEDULE_SECONDS) * (1 + JITTER_SHARE))
RETRY_AFTER_LIMIT = timedelta(hours=24)
FAILING_LIMIT = timedelta(days=5)
_HONOURS_RETRY_AFTER = frozenset({429, 503})


def next_delay(
    attempt: int, *, retry_after: timedelta | None = None, jitter: float = 0
) -> timedelta | None:
    """Return the pause before the next try when `attempt` have failed, or None after the last.

    `jitter` from -1 to 1 moves it by up to 20 %; the receiver's Retry-After is the least,
    up to 24 hours.
    """
    if attempt >= len(SCHEDULE_SECONDS):
        return None
    delay = timedelta(seconds=SCHEDULE_SECONDS[attempt] * (1 + JITTER_SHARE * jitter))
    return max(delay, min(retry_after or timedelta(), RETRY_AFTER_LIMIT))


def retry_after(status: int, header: str, *, now: datetime) -> timedelta | None:
    """Return how long a 429 or 503 asks to wait: `Retry-After` in seconds or as an HTTP date."""
    if status not in _HONOURS_RETRY_AFTER:
        return None
    if header.isascii() and header.isdigit():
        return timedelta(seconds=min(int(header[:9]), RETRY_AFTER_LIMIT.total_seconds()))
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(aware - now, timedelta()), RETRY_AFTER_LIMIT)


def has_failed_too_long(failing_since: datetime | None, now: datetime) -> bool:
    """Return whether no delivery has succeeded for five days."""
    return failing_since is not None and now - failing_since >= FAILING_LIMIT
