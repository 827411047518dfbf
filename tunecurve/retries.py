"""When a request is sent again, and after how long. Pure."""

import secrets
from collections.abc import Callable

RETRIED_STATUSES = frozenset({408, 429, 502, 503, 504})
LONGEST_PAUSE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.25
_CEILING_SECONDS = 8.0

Draw = Callable[[float, float], float]
_draw: Draw = secrets.SystemRandom().uniform


def retry_pause(
    attempt: int, *, retry_after: str | None = None, draw: Draw = _draw
) -> float | None:
    """Return the seconds to wait after failed attempt number `attempt` (from 0), full jitter.

    A `Retry-After` in seconds is honoured and jittered on top, so that many clients do not come
    back at once. None: the server asks for longer than a caller would sit through.
    """
    jitter = draw(0, min(_CEILING_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt))
    asked = _seconds(retry_after)
    if asked is None:
        return jitter
    return None if asked > LONGEST_PAUSE_SECONDS else asked + jitter / 4


def _seconds(retry_after: str | None) -> float | None:
    # The other form, an HTTP date, is for crawlers: treating it as absent only waits less.
    return float(retry_after) if retry_after and retry_after.strip().isdecimal() else None
