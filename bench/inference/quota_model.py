"""The quota model of a scenario's provider, and the time that perfect pacing would need."""

import math
from dataclasses import dataclass, replace
from random import Random
from typing import Any

P99 = 2.326  # standard deviations
DRAWS = 20


@dataclass(frozen=True, slots=True)
class QuotaModel:
    """Quotas a minute (None is none), latency in seconds, share of calls answered 503.

    The bucket holds one second of quota, as in the measurements of the peers; 0 stands for one that
    others have emptied.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    latency_median: float = 0.0
    latency_p99: float = 0.0
    error_503_rate: float = 0.0
    burst_seconds: float = 1.0

    @property
    def sigma(self) -> float:
        """Width of the lognormal that has this median and this 99th percentile."""
        return math.log(self.latency_p99 / self.latency_median) / P99 if self.latency_median else 0

    def share_of_two(self) -> "QuotaModel":
        """Return what a job may use that comes second: half the quota, and of the bucket nothing,
        as the first one has emptied it.
        """
        return replace(self.halved(), burst_seconds=0.0)

    def halved(self) -> "QuotaModel":
        return replace(self, requests_per_minute=(self.requests_per_minute or 0) / 2)

    def config(self) -> dict[str, Any]:
        """Return the model as the emulator's settings; its models do no work."""
        return {
            "answer": "constant",
            "requests_per_minute": self.requests_per_minute,
            "tokens_per_minute": self.tokens_per_minute,
            "burst_seconds": self.burst_seconds,
            "latency_seconds": self.latency_median,
            "latency_sigma": self.sigma,
            "error_503_rate": self.error_503_rate,
        }


def ideal_seconds(
    model: QuotaModel, rows: int, *, then: QuotaModel | None = None, tokens: float = 0
) -> float:
    """Return the mean makespan of an oracle: it knows the quota, starts each call as early as
    the quota lets it, and never has to repeat one. `then` is the model for the second half of the
    rows, `tokens` what a row costs of the token quota.
    """
    return sum(_makespan(model, rows, then, tokens, Random(draw)) for draw in range(DRAWS)) / DRAWS  # noqa: S311


def _makespan(
    model: QuotaModel, rows: int, then: QuotaModel | None, tokens: float, random: Random
) -> float:
    start = end = 0.0
    for row in range(rows):
        current = then if then and row >= rows / 2 else model
        start += _spacing(current, tokens) if row >= _burst(model, tokens) else 0.0
        end = max(end, start + _latency(model, random))
    return end


def _spacing(model: QuotaModel, tokens: float) -> float:
    by_requests = 60 / model.requests_per_minute if model.requests_per_minute else 0.0
    by_tokens = 60 * tokens / model.tokens_per_minute if model.tokens_per_minute else 0.0
    return max(by_requests, by_tokens)


def _burst(model: QuotaModel, tokens: float) -> float:
    spacing = _spacing(model, tokens)
    return model.burst_seconds / spacing if spacing else math.inf


def _latency(model: QuotaModel, random: Random) -> float:
    return (
        model.latency_median * math.exp(random.gauss(0, model.sigma))
        if model.latency_median
        else 0.0
    )
