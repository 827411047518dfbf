"""What a paired comparison can show: the least difference, and the rows that one needs. Pure."""

from statistics import NormalDist

import numpy as np

from service.evaluation.statistics.comparison import SIGNIFICANCE, Comparison
from service.evaluation.statistics.distributions import student_quantile


def detectable_difference(
    comparison: Comparison, *, tests: int = 1, power: float = 0.8
) -> float | None:
    """Return the least true difference that such a test shows with this power, in its scale.

    `tests` are read together: the level is shared out among them, as Holm's first step does. None
    where the comparison has no interval. Source: Cohen (1988), normal approximation: the sum of
    both quantiles times the standard error.
    """
    error = comparison.standard_error
    if error is None:
        return None
    shared = student_quantile(1 - SIGNIFICANCE / 2 / max(1, tests), freedom=comparison.degrees)
    return (shared + NormalDist().inv_cdf(power)) * error


def needed_rows(
    comparison: Comparison, *, difference: float, tests: int = 1, power: float = 0.8
) -> int | None:
    """Return how many test rows such a comparison needs to show `difference`; None if unknown.

    Rows are assumed to come in groups as large as now, so the error falls with their root.
    """
    least = detectable_difference(comparison, tests=tests, power=power)
    if least is None or difference <= 0:
        return None
    return int(np.ceil(comparison.rows * (least / difference) ** 2))
