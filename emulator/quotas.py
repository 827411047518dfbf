"""Requests per minute of a base model: a token bucket for each, as Vertex counts them."""

import time

from emulator.errors import GoogleError
from emulator.settings import Settings

_EXHAUSTED = (
    "Resource exhausted. Please try again later. Please refer to "
    "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details."
)


class Quotas:
    """The buckets start full; they hold what `burst_seconds` bring in, and at least one request."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}

    def clear(self) -> None:
        self._buckets.clear()

    def admit(self, base_model: str, settings: Settings) -> None:
        """Take one request out of the model's bucket.

        Raises GoogleError 429 when it is empty, like the real body without details or RetryInfo.
        """
        if settings.requests_per_minute is None:
            return
        per_second = settings.requests_per_minute / 60
        capacity = max(1.0, per_second * settings.burst_seconds)
        now = time.monotonic()
        held, since = self._buckets.get(base_model, (capacity, now))
        held = min(capacity, held + (now - since) * per_second)
        if held < 1:
            self._buckets[base_model] = (held, now)
            raise GoogleError(429, _EXHAUSTED)
        self._buckets[base_model] = (held - 1, now)
