"""Quotas of a base model: by the minute, by the day, in flight, and its part of a shared one."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from emulator.clock import CLOCK, Clock
from emulator.errors import GoogleError
from emulator.randomness import unit
from emulator.settings import Settings

_EXHAUSTED = (
    "Resource exhausted. Please try again later. Please refer to "
    "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details."
)
_METRIC = "aiplatform.googleapis.com/generate_content_requests_per_day_per_project_per_base_model"


class DailyQuotaError(GoogleError):
    """429 of a day's quota: it names the quota and when to come back, as no other 429 does."""

    def __init__(self, base_model: str, *, limit: int, retry_seconds: int) -> None:
        message = f"Quota exceeded for {_METRIC} with base model: {base_model}."
        super().__init__(429, message)
        self._violation = {
            "quotaMetric": _METRIC,
            "quotaId": "GenerateContentRequestsPerDayPerProjectPerBaseModel",
            "quotaDimensions": {"base_model": base_model},
            "quotaValue": str(limit),
        }
        self._retry_seconds = retry_seconds

    def body(self) -> dict[str, Any]:
        kind = "type.googleapis.com/google.rpc"
        body = super().body()
        body["error"]["details"] = [
            {"@type": f"{kind}.QuotaFailure", "violations": [self._violation]},
            {"@type": f"{kind}.RetryInfo", "retryDelay": f"{self._retry_seconds}s"},
        ]
        return body


_LEAST_WAIT = 1e-6


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is held of a quota at a moment; it may be in debt, and fills up as time passes."""

    held: float
    since: float

    def at(self, now: float, *, per_second: float, capacity: float) -> "Bucket":
        return Bucket(min(capacity, self.held + (now - self.since) * per_second), now)


class Quotas:
    """Buckets start full: they hold what `burst_seconds` bring in, and at least one request."""

    def __init__(self, clock: Clock = CLOCK) -> None:
        self._clock = clock
        self._started = clock.seconds()
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._days: dict[str, tuple[str, int]] = {}
        self._in_flight: dict[str, int] = {}

    def clear(self) -> None:
        """Start anew with full buckets; calls in flight stay counted."""
        self._started = self._clock.seconds()
        self._buckets.clear()
        self._days.clear()

    def admit(self, base_model: str, settings: Settings, *, tokens: int = 0) -> None:
        """Take one request and its tokens out of all quotas of a model, or nothing out of any.

        What was admitted is in flight until `release`. Raises GoogleError 429: like the real body
        without details or RetryInfo, but for the day's quota.
        """
        in_flight = self._in_flight.get(base_model, 0)
        most = settings.concurrent_requests
        if most is not None and in_flight >= most:
            raise GoogleError(429, _EXHAUSTED)
        taken = dict(self._buckets_after(base_model, settings, tokens))
        self._check_day(base_model, settings.requests_per_day)
        self._buckets |= taken
        self._in_flight[base_model] = in_flight + 1

    def release(self, base_model: str) -> None:
        self._in_flight[base_model] -= 1

    def settle(self, base_model: str, settings: Settings, *, output_tokens: int) -> None:
        """Take the tokens of an answer, unknown at admission; that may leave a debt."""
        key = (base_model, "tokens")
        if settings.tokens_per_minute is not None and key in self._buckets:
            bucket = self._buckets[key]
            self._buckets[key] = replace(bucket, held=bucket.held - output_tokens)

    def take_for_batch(self, base_model: str, settings: Settings) -> float:
        """Take one request of the shared quota for a batch; else return the seconds until one.

        Batches have what others leave to themselves: they take nothing from calls.
        """
        rate = self._shared_rate(base_model, settings)
        key = (base_model, "batch")
        try:
            if rate is not None:
                self._buckets[key] = self._taken(key, settings, rate, 1)
        except GoogleError:
            return max(1 - self._buckets[key].held, _LEAST_WAIT) * 60 / max(rate or 0, _LEAST_WAIT)
        return 0.0

    def _buckets_after(
        self, base_model: str, settings: Settings, tokens: int
    ) -> list[tuple[tuple[str, str], Bucket]]:
        quotas = (
            ("requests", settings.requests_per_minute, 1),
            ("tokens", settings.tokens_per_minute, tokens),
            ("shared", self._shared_rate(base_model, settings), 1),
        )
        return [
            ((base_model, name), self._taken((base_model, name), settings, per_minute, amount))
            for name, per_minute, amount in quotas
            if per_minute is not None
        ]

    def _taken(
        self, key: tuple[str, str], settings: Settings, per_minute: float, amount: float
    ) -> Bucket:
        """Return the bucket without the amount; more than it can ever hold leaves it in debt."""
        per_second = per_minute / 60
        capacity = max(1.0, per_second * settings.burst_seconds)
        now = self._clock.seconds()
        held = self._buckets.get(key, Bucket(capacity, now))
        held = held.at(now, per_second=per_second, capacity=capacity)
        self._buckets[key] = held
        if held.held < min(amount, capacity):
            raise GoogleError(429, _EXHAUSTED)
        return replace(held, held=held.held - amount)

    def _shared_rate(self, base_model: str, settings: Settings) -> float | None:
        """Return what others leave of a shared quota: drawn by seed for each stretch of time."""
        mean = settings.shared_requests_per_minute
        if mean is None:
            return None
        window = int((self._clock.seconds() - self._started) / settings.shared_window_seconds)
        swing = 2 * unit(settings.seed, "shared", base_model, window) - 1
        return mean * (1 + settings.shared_variation * swing)

    def _check_day(self, base_model: str, limit: int | None) -> None:
        if limit is None:
            return
        now = self._clock.now()
        today = now.date().isoformat()
        day, used = self._days.get(base_model, (today, 0))
        used = used if day == today else 0
        if used >= limit:
            midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
            retry_seconds = int((midnight - now).total_seconds()) + 1
            raise DailyQuotaError(base_model, limit=limit, retry_seconds=retry_seconds)
        self._days[base_model] = (today, used + 1)


def quota_facts(settings: Settings) -> tuple[object, ...]:
    """Return what buckets depend on: when it changes they start anew."""
    return (
        settings.requests_per_minute,
        settings.tokens_per_minute,
        settings.burst_seconds,
        settings.requests_per_day,
        settings.shared_requests_per_minute,
        settings.shared_variation,
        settings.shared_window_seconds,
        settings.seed,
    )
