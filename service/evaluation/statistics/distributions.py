"""Tails and quantiles of Student's t and the beta distribution. Pure.

`scipy.special` would be 28 MB of every worker.
"""

import math
from functools import lru_cache

_STEPS, _TINY = 10_000, 1e-300


@lru_cache(maxsize=1000)
def student_quantile(share: float, *, freedom: float) -> float:
    """Return the quantile of Student's t with `freedom` degrees of freedom, for share >= 0.5.

    Found by bisection of `student_p`, to 1e-9.
    """
    wanted, low, high = 2 * (1 - share), 0.0, 1e6
    while high - low > 1e-10 * (1 + low):
        middle = (low + high) / 2
        low, high = (middle, high) if student_p(middle, freedom=freedom) > wanted else (low, middle)
    return (low + high) / 2


def student_p(value: float, *, freedom: float) -> float:
    """Return the two-sided p-value of a t statistic; `freedom` need not be whole.

    Source: Abramowitz and Stegun (1964), 26.7.1 with 26.5.27: an incomplete beta function.
    """
    return incomplete_beta(freedom / (freedom + value * value), freedom / 2, 0.5)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b).

    By its continued fraction, with Lentz's method: DLMF 8.17.22.
    """
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # there the fraction of the other tail converges
        return 1 - incomplete_beta(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return front * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    numerator, denominator = 1.0, 1 / _kept(1 - (a + b) * x / (a + 1))
    value = denominator
    for step in range(1, _STEPS):
        for factor in (
            step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step)),
            -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1)),
        ):
            denominator = 1 / _kept(1 + factor * denominator)
            numerator = _kept(1 + factor / numerator)
            value *= denominator * numerator
        if abs(denominator * numerator - 1) < 1e-15:  # noqa: PLR2004  of a float
            break
    return value


def _kept(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def beta_quantile(share: float, a: float, b: float) -> float:
    """Return the quantile of a beta distribution, to 1e-12."""
    low, high = 0.0, 1.0
    while high - low > 1e-12:  # noqa: PLR2004  finer than any count of rows
        middle = (low + high) / 2
        low, high = (middle, high) if incomplete_beta(middle, a, b) < share else (low, middle)
    return (low + high) / 2
