"""Cohen's weighted kappa of two judgements on ordered levels, and its interval. Pure."""

import numpy as np

from service.evaluation.statistics.intervals import Array

_HALVINGS = 24


def kappas(tables: Array) -> Array:
    """Return kappa with quadratic weights of tables of counts or shares, in the last two axes.

    NaN where all judgements are of one level. Source: Cohen (1968), Weighted kappa.
    """
    seen, chance = _disagreement(tables), _disagreement(_by_chance(tables))
    found: Array = 1 - seen / np.where(chance > 0, chance, np.nan)
    return found


def profile_interval(
    counts: Array, *, error: float, groups: int, quantile: float
) -> tuple[float, float]:
    """Return the least and the greatest kappa from which that of a table is `quantile` errors away.

    Each error is that of the kappa in question, not of the one seen: where judgements agree a few
    pairs decide, and a sample that has few of them shows too small a spread as well. A lower kappa
    is a mixture of the table with chance, a higher one with agreement. Its error is that of so many
    independent pairs, times the design effect: how much larger the jackknife's `error` over
    `groups` is at the table itself; where none shows, all pairs of a group count as one.

    Sources: Lee and Tu (1994), A better confidence interval for kappa, for the profile variance;
    Fleiss, Cohen and Everitt (1969), Large sample standard errors of kappa and weighted kappa.
    Simulated in bench/statistics/kappa.py.
    """
    table = counts / counts.sum()
    independent = _pair_error(table)
    reach = quantile / np.sqrt(groups)
    if error > 0 and independent > 0:
        reach = quantile * error / independent
    chance = _by_chance(table) if kappas(table) > 0 else table
    agreement = np.diag((table.sum(axis=0) + table.sum(axis=1)) / 2)
    return max(-1.0, _end(table, chance, -reach)), min(1.0, _end(table, agreement, reach))


def _end(table: Array, other: Array, reach: float) -> float:
    """Return the kappa of the mixture of two tables from which the first one's is `reach` errors
    of one pair away, below it where that is negative; beyond the other table its error stays.
    """
    kappa = float(kappas(table))

    def is_far(share: float) -> bool:
        mixture = share * table + (1 - share) * other
        return bool(abs(kappas(mixture) - kappa) > abs(reach) * _pair_error(mixture))

    if not is_far(0.0):
        return kappa + reach * _pair_error(other)
    far, near = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (far + near) / 2
        far, near = (middle, near) if is_far(middle) else (far, middle)
    return float(kappas(near * table + (1 - near) * other))


def _pair_error(table: Array) -> float:
    """Return the standard error of the kappa of one pair, of a table of shares."""
    agreement = 1 - _distances(len(table)) / (len(table) - 1) ** 2
    one, other = table.sum(axis=1), table.sum(axis=0)
    apart = 1 - float(kappas(table))
    expected = float((agreement * _by_chance(table)).sum())
    lone = agreement - apart * ((agreement @ other)[:, None] + (one @ agreement)[None, :])
    variance = float((table * lone**2).sum()) - (1 - apart - expected * apart) ** 2
    return float(np.sqrt(max(variance, 0.0))) / (1 - expected)


def _disagreement(tables: Array) -> Array:
    found: Array = (_distances(tables.shape[-1]) * tables).sum(axis=(-2, -1))
    return found


def _by_chance(tables: Array) -> Array:
    """Return what independent judgements with the same shares of each level would give."""
    expected = tables.sum(axis=-1)[..., :, None] * tables.sum(axis=-2)[..., None, :]
    found: Array = expected / np.maximum(tables.sum(axis=(-2, -1)), 1e-300)[..., None, None]
    return found


def _distances(levels: int) -> Array:
    places = np.arange(levels, dtype=np.float64)
    found: Array = (places[:, None] - places[None, :]) ** 2
    return found
