"""How well two judgements of the same things agree, and what sets them apart. Pure.

Intervals leave out one group at a time, as rows of one group are judged alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.evaluation.statistics.distributions import student_quantile
from service.evaluation.statistics.intervals import Array, jackknife_error, sum_by_group
from service.evaluation.statistics.kappa import kappas, profile_interval

Places = Sequence[int] | NDArray[Any]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval; None where too few rows, or rows too much alike, show none."""

    value: float | None
    low: float | None = None
    high: float | None = None


UNKNOWN = Estimate(None)


def weighted_kappa(one: Places, other: Places, *, levels: int) -> float | None:
    """Return Cohen's kappa of ordered levels, from 0 to `levels` - 1, with quadratic weights.

    1 is perfect agreement, 0 what chance would give; None where it is not defined, as all
    judgements are of one level. With two levels it is Cohen's (1960) kappa. Source: Cohen (1968),
    Weighted kappa.
    """
    value = float(_kappa(_cells(one, other, levels=levels).sum(axis=0), levels))
    return None if np.isnan(value) else value


def kappa_estimate(
    one: Places, other: Places, groups: NDArray[Any], *, levels: int, confidence: float = 0.95
) -> Estimate:
    """Return `weighted_kappa` with its interval, never beyond -1 and 1."""
    value = weighted_kappa(one, other, levels=levels)
    if value is None:
        return UNKNOWN
    found = sum_by_group(_cells(one, other, levels=levels), groups=groups)
    if len(found) < 2:  # noqa: PLR2004 - a spread needs two
        return Estimate(value)
    low, high = profile_interval(
        found.sums.sum(axis=0).reshape(levels, levels),
        error=jackknife_error(found.sums, lambda sums: _kappa(sums, levels)),
        groups=len(found),
        quantile=student_quantile(0.5 + confidence / 2, freedom=found.freedom),
    )
    return Estimate(value, low, high)


def mean_estimate(values: Array, groups: NDArray[Any], *, confidence: float = 0.95) -> Estimate:
    """Return the mean of rows, which differ by 1 at most, with its interval.

    Where all are equal a spread cannot be seen, but so many groups as Clopper and Pearson's (1934)
    bound allows may differ by as much as they can.
    """
    rows = np.column_stack([values, np.ones(len(values))])
    found = _estimate(rows, groups, lambda sums: sums[..., 0] / sums[..., 1], confidence=confidence)
    if found.value is None or found.low is None or np.ptp(values) > 0:
        return found
    unseen = 1 - (0.5 - confidence / 2) ** (1 / len(np.unique(groups)))
    return Estimate(found.value, found.value - unseen, found.value + unseen)


def rank_correlation(
    one: Array, other: Array, groups: NDArray[Any], *, confidence: float = 0.95
) -> Estimate:
    """Return Spearman's (1904) rank correlation with its interval; equals share their mean rank.

    Ranks are those of all rows also where a group is left out.
    """
    if not len(one):
        return UNKNOWN
    x, y = _ranks(one), _ranks(other)
    rows = np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])
    return _within(_estimate(rows, groups, _pearson, confidence=confidence), -1.0, 1.0)


def corrected_mean(
    judged: Array,
    groups: NDArray[Any],
    *,
    errors: Array,
    error_groups: NDArray[Any],
    confidence: float = 0.95,
) -> Estimate:
    """Return the mean that people would give all rows: the judge's, less its mean error.

    `errors` are judge less people on rows drawn at random, `judged` the judge on all. The two means
    are taken to be independent, which is exact up to the overlap of the rows. Source: Angelopoulos
    et al. (2023), Prediction-powered inference, for a mean.
    """
    return difference(
        mean_estimate(judged, groups, confidence=confidence),
        mean_estimate(errors, error_groups, confidence=confidence),
    )


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """Return the mean of independent estimates, each of the same weight."""
    values = [each.value for each in estimates if each.value is not None]
    if len(values) < len(estimates) or not values:
        return UNKNOWN
    value = sum(values) / len(values)
    highs = [each.high for each in estimates if each.high is not None]
    if len(highs) < len(values):
        return Estimate(value)
    half = float(np.sqrt(sum((h - v) ** 2 for h, v in zip(highs, values, strict=True))))
    return Estimate(value, value - half / len(values), value + half / len(values))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """Return the difference of two independent estimates."""
    if one.value is None or other.value is None:
        return UNKNOWN
    value = one.value - other.value
    if one.high is None or other.high is None:
        return Estimate(value)
    half = float(np.hypot(one.high - one.value, other.high - other.value))
    return Estimate(value, value - half, value + half)


def _cells(one: Places, other: Places, *, levels: int) -> Array:
    """Return for each pair which cell of the table of both judgements it is in."""
    place = np.asarray(one, int) * levels + np.asarray(other, int)
    cells: Array = np.eye(levels * levels)[place]
    return cells


def _kappa(sums: Array, levels: int) -> Array:
    return kappas(sums.reshape(*sums.shape[:-1], levels, levels))


def _pearson(sums: Array) -> Array:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    spread = (n * xx - x * x) * (n * yy - y * y)
    found: Array = (n * xy - x * y) / np.sqrt(np.where(spread > 0, spread, np.nan))
    return found


def _ranks(values: Array) -> Array:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts - 1) / 2)[place]
    ranks -= ranks.mean()
    return ranks


def _estimate(
    rows: Array, groups: NDArray[Any], totals: Callable[[Array], Array], *, confidence: float
) -> Estimate:
    if not len(rows):
        return UNKNOWN
    found = sum_by_group(rows.astype(np.float64), groups=groups)
    value = float(totals(found.sums.sum(axis=0)))
    if np.isnan(value):
        return UNKNOWN
    if len(found) < 2:  # noqa: PLR2004 - a spread needs two
        return Estimate(value)
    t = student_quantile(0.5 + confidence / 2, freedom=found.freedom)
    half = t * jackknife_error(found.sums, totals)
    return Estimate(value) if np.isnan(half) else Estimate(value, value - half, value + half)


def _within(found: Estimate, least: float, most: float) -> Estimate:
    if found.low is None or found.high is None:
        return found
    return Estimate(found.value, max(least, found.low), min(most, found.high))


@dataclass(frozen=True, slots=True)
class Retest:
    """`kappa` has quadratic weights and is None where all replies are alike; `order_effect` is the
    mean value in odd turns, which turn the order round, less that in even ones.
    """

    pairs: int
    same: int
    kappa: float | None
    order_effect: float | None


def retest(replies: Sequence[Sequence[int | None]], values: Sequence[float]) -> Retest:
    """Compare each reply to a row with the next one; `replies` are by row, in order of turns, as
    places on a scale of these values.
    """
    pairs = [
        (one, other)
        for row in replies
        for one, other in pairwise(row)
        if one is not None and other is not None
    ]
    kappa = weighted_kappa(
        [one for one, _ in pairs], [other for _, other in pairs], levels=len(values)
    )
    plain, turned = (
        [values[each] for row in replies for each in row[start::2] if each is not None]
        for start in (0, 1)
    )
    effect = float(np.mean(turned) - np.mean(plain)) if plain and turned else None
    return Retest(len(pairs), sum(one == other for one, other in pairs), kappa, effect)
