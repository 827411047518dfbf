"""The scenarios of paced calls: how many rows, under which quota, with which settings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from bench.inference.quota_model import QuotaModel

PACED = QuotaModel(requests_per_minute=6000, latency_median=0.2, latency_p99=1.0)
SLOW = QuotaModel(requests_per_minute=1200, latency_median=0.8, latency_p99=4.0)
TOKENS = QuotaModel(tokens_per_minute=1_200_000, latency_median=0.2, latency_p99=1.0)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`settings` are Tunecurve's; `known_per_minute` is the quota that the baselines know.

    `halves` halves the quota once half of the rows are accepted, `kills` ends one worker then
    by kill -9. What ours has to keep is in `thresholds`.
    """

    name: str
    rows: int
    quota_model: QuotaModel
    settings: Mapping[str, str]
    known_per_minute: float = 0
    baselines: tuple[str, ...] = ("gather", "langchain")
    workers: int = 1
    halves: bool = False
    kills: bool = False
    token_sizes: tuple[int, int] | None = None

    def prompts(self, round_number: int) -> list[str]:
        """Return prompts that were never sent before this round."""
        random = Random(f"{self.name} {round_number}")  # noqa: S311
        return [self._prompt(random, round_number, row) for row in range(self.rows)]

    def _prompt(self, random: Random, round_number: int, row: int) -> str:
        opening = f"{self.name} {round_number} {row}"
        if self.token_sizes is None:
            return f"{opening}: say ok"
        low, high = self.token_sizes
        words = round(low * math.pow(high / low, random.random()))
        return f"{opening} " + "word " * words


def _settings(requests_per_minute: float, *, burst_known: bool = True) -> dict[str, str]:
    settings = {"requests_per_minute": f"{requests_per_minute:g}"}
    return settings | ({"burst_seconds": "1"} if burst_known else {})


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "steady",
            2000,
            PACED,
            _settings(6000),
            6000,
            baselines=("gather", "threads", "langchain"),
        ),
        Scenario("slow", 2000, SLOW, _settings(1200), 1200),
        Scenario(
            "halved",
            1000,
            QuotaModel(6000, None, 0.2, 1.0, error_503_rate=0.01),
            _settings(6000),
            6000,
            halves=True,
        ),
        Scenario(
            "wrong",
            800,
            QuotaModel(3000, None, 0.2, 1.0),
            _settings(6000, burst_known=False),
            6000,
            baselines=("gather",),  # langchain's limiter would know the wrong quota, too
        ),
        Scenario(
            "unknown",
            2000,
            PACED,
            _settings(0, burst_known=False),
            baselines=("gather",),  # langchain's limiter needs a number
        ),
        Scenario(
            "fleet",
            2400,
            PACED,
            # Five shards for four workers: one has two of them.
            _settings(6000) | {"evaluate_slots": "5"},
            6000,
            baselines=("gather",),
            workers=4,
            kills=True,
        ),
        Scenario(
            "tokens",
            500,
            TOKENS,
            _settings(60_000) | {"tokens_per_minute": "1200000"},
            baselines=("gather",),
            token_sizes=(50, 5000),
        ),
    )
}


def numbered(name: str, round_number: int, rows: int) -> list[str]:
    """Return short prompts that were never sent before this round."""
    return [f"{name} {round_number} {row}: say ok" for row in range(rows)]
