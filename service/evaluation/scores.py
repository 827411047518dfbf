"""Scores of predictions: only answers count, failures lower the coverage, groups give the width."""

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import Fault, Invalid
from service.evaluation.metrics.registry import METRICS
from service.evaluation.metrics.statistics import Array, bootstrap_interval, sum_by_group
from service.inference.ports import Outcome

FULL_COVERAGE = 0.99  # below it a comparison is given with bounds


@dataclass(frozen=True, slots=True)
class Scored:
    """One row of the test split with what became of it; `group` is what was split together."""

    example_id: str
    outcome: Outcome
    prediction: str
    references: tuple[str, ...]
    group: str


@dataclass(frozen=True, slots=True)
class Score:
    """One metric over one evaluation; all scores are on the metric's scale.

    `n` of `rows` rows were scored and `coverage` is their share. `value` is None when none was;
    `low` and `high` are None when fewer than two groups were. `worst` and `best` are what the
    value would be had every missing row earned the least or the most; None at full coverage.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    rows: int
    coverage: float
    worst: float | None
    best: float | None
    method: str


def score(
    rows: Sequence[Scored],
    metric: str,
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Score:
    """Score the rows whose outcome is `ok`; the same rows and seed give the same score.

    Raises Invalid for an unknown metric, a row without references, or an interval nobody can
    draw.
    """
    scorer = Scorer(metric)
    scorer.take(rows)
    return scorer.score(resamples=resamples, seed=seed, confidence=confidence)


class Scorer:
    """One metric over rows that come in pieces: of a row it keeps numbers, never its texts.

    A hundred thousand rows are a few megabytes, whatever was answered.
    """

    def __init__(self, metric: str) -> None:
        self._metric, self._measure = metric, METRICS.find(metric).measure()
        self._rows = self._answered = 0
        self._earned = self._worst = self._best = _Sum()
        self._groups, self._statistics = array("Q"), array("f")

    def take(self, rows: Sequence[Scored]) -> None:
        """Add rows; raises Invalid when one has no reference to score against."""
        _check_references(rows, before=self._rows)
        self._rows += len(rows)
        answered = [row for row in rows if row.outcome is Outcome.OK]
        if answered:
            self._take_answered(answered)
        missing = [row.references for row in rows if row.outcome is not Outcome.OK]
        if missing:
            self._worst = self._worst.plus(self._measure.worst(missing))
            self._best = self._best.plus(self._measure.best(missing))

    def _take_answered(self, rows: Sequence[Scored]) -> None:
        statistics = self._measure.statistics(
            [row.prediction for row in rows], [row.references for row in rows]
        )
        self._answered += len(rows)
        self._earned = self._earned.plus(statistics)
        self._groups.extend(_number(row.group) for row in rows)
        self._statistics.frombytes(statistics.astype(np.float32).tobytes())

    def score(self, *, resamples: int = 1000, seed: int = 0, confidence: float = 0.95) -> Score:
        """Return the score of all rows so far, with its interval.

        The interval resamples groups, not rows: rows of one article or template succeed or fail
        together (on SQuAD, intervals over rows are 2.8 times too narrow).
        """
        _check_interval(resamples=resamples, confidence=confidence)
        coverage = self._answered / self._rows if self._rows else 0.0
        bounded = coverage < FULL_COVERAGE
        low, high, method = self._interval(resamples=resamples, seed=seed, confidence=confidence)
        return Score(
            metric=self._metric,
            value=self._total(self._earned),
            low=low,
            high=high,
            n=self._answered,
            rows=self._rows,
            coverage=coverage,
            worst=self._bound(self._worst) if bounded else None,
            best=self._bound(self._best) if bounded else None,
            method=method,
        )

    def _interval(
        self, *, resamples: int, seed: int, confidence: float
    ) -> tuple[float | None, float | None, str]:
        """Return low, high and how they were made; one group says nothing about another."""
        sums = self._group_sums()
        if len(sums) < 2:  # noqa: PLR2004 - a spread needs two
            return None, None, "no interval: fewer than two groups"
        low, high = bootstrap_interval(
            sums, self._measure.totals, resamples=resamples, seed=seed, confidence=confidence
        )
        return low, high, f"percentile bootstrap, {resamples} resamples of groups"

    def _group_sums(self) -> Array:
        if not self._groups:
            return np.zeros((0, 1))
        groups = np.frombuffer(self._groups, dtype=np.uint64)
        statistics = np.frombuffer(self._statistics, dtype=np.float32)
        return sum_by_group(statistics.reshape(len(groups), -1), groups=groups)

    def _bound(self, missing: "_Sum") -> float | None:
        """Return the score had the missing rows earned this; None when none is missing."""
        return None if missing.values is None else self._total(self._earned.plus_sum(missing))

    def _total(self, summed: "_Sum") -> float | None:
        return None if summed.values is None else float(self._measure.totals(summed.values))


@dataclass(frozen=True, slots=True)
class _Sum:
    """Summed statistics; None as long as there are none."""

    values: NDArray[np.float64] | None = None

    def plus(self, statistics: Array) -> "_Sum":
        return self.plus_sum(_Sum(statistics.sum(axis=0, dtype=np.float64)))

    def plus_sum(self, other: "_Sum") -> "_Sum":
        if self.values is None or other.values is None:
            return other if self.values is None else self
        return _Sum(self.values + other.values)


def _number(group: str) -> int:
    """Return a number for a group: 64 bits of a hash, so that no two of a million are alike."""
    return int.from_bytes(hashlib.blake2b(group.encode(), digest_size=8).digest())


def _check_references(rows: Sequence[Scored], *, before: int) -> None:
    bare = [place for place, row in enumerate(rows, start=before + 1) if not row.references]
    if bare:
        message = f"{len(bare)} rows have no reference to score against"
        faults = [Fault(f"row {place}", "references_missing", message) for place in bare[:20]]
        raise Invalid(message, code="references_missing", faults=faults)


def _check_interval(*, resamples: int, confidence: float) -> None:
    if resamples < 1 or not 0 < confidence < 1:
        raise Invalid("an interval needs at least one resample and a confidence within 0 and 1")
