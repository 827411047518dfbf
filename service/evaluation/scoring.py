"""Scores of predictions: only answers count, failures lower the coverage, groups give the width."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.errors import Fault, Invalid
from service.evaluation.metrics.registry import METRICS, Measure
from service.evaluation.statistics import Array, bootstrap_interval, sum_by_group
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

    The interval resamples groups, not rows: rows of one article or template succeed or fail
    together (on SQuAD, intervals over rows are 2.8 times too narrow).
    Raises Invalid for an unknown metric, a row without references, or an interval nobody can
    draw.
    """
    spec = METRICS.find(metric, pointer="/metric")
    _check(rows, resamples=resamples, confidence=confidence)
    answered = [row for row in rows if row.outcome is Outcome.OK]
    missing = [row for row in rows if row.outcome is not Outcome.OK]
    coverage = len(answered) / len(rows) if rows else 0.0
    measure = spec.load()
    earned = _statistics(answered, measure)
    low, high, method = _interval(
        answered, earned, measure, resamples=resamples, seed=seed, confidence=confidence
    )
    worst, best = _bounds(missing, earned, measure) if coverage < FULL_COVERAGE else (None, None)
    return Score(
        metric=metric,
        value=_total(measure, earned),
        low=low,
        high=high,
        n=len(answered),
        rows=len(rows),
        coverage=coverage,
        worst=worst,
        best=best,
        method=method,
    )


def _check(rows: Sequence[Scored], *, resamples: int, confidence: float) -> None:
    if resamples < 1 or not 0 < confidence < 1:
        raise Invalid("an interval needs at least one resample and a confidence within 0 and 1")
    bare = [place for place, row in enumerate(rows, start=1) if not row.references]
    if bare:
        message = f"{len(bare)} rows have no reference to score against"
        faults = [Fault(f"row {place}", "references_missing", message) for place in bare[:20]]
        raise Invalid(message, code="references_missing", faults=faults)


def _statistics(answered: Sequence[Scored], measure: Measure) -> Array | None:
    if not answered:
        return None
    return measure.statistics(
        [row.prediction for row in answered], [row.references for row in answered]
    )


def _interval(
    answered: Sequence[Scored],
    earned: Array | None,
    measure: Measure,
    *,
    resamples: int,
    seed: int,
    confidence: float,
) -> tuple[float | None, float | None, str]:
    """Return low, high and how they were made; one group says nothing about another."""
    groups = [row.group for row in answered]
    if earned is None or len(set(groups)) < 2:  # noqa: PLR2004 - a spread needs two
        return None, None, "no interval: fewer than two groups"
    low, high = bootstrap_interval(
        sum_by_group(earned, groups=groups),
        measure.totals,
        resamples=resamples,
        seed=seed,
        confidence=confidence,
    )
    return low, high, f"percentile bootstrap, {resamples} resamples of groups"


def _bounds(
    missing: Sequence[Scored], earned: Array | None, measure: Measure
) -> tuple[float | None, float | None]:
    if not missing:
        return None, None
    references = [row.references for row in missing]
    worst, best = measure.worst(references), measure.best(references)
    return _total(measure, _stacked(earned, worst)), _total(measure, _stacked(earned, best))


def _stacked(earned: Array | None, others: Array) -> Array:
    return others if earned is None else np.concatenate([earned, others])


def _total(measure: Measure, statistics: Array | None) -> float | None:
    return None if statistics is None else float(measure.totals(statistics.sum(axis=0)))
