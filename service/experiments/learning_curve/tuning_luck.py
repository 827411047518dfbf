"""How much luck there is in a tuning, apart from that of the test rows. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from service.evaluation.statistics.comparison import Comparison
from service.experiments.learning_curve.fit import TUNING_ERROR

_ASSUMED_FREEDOM = 2  # degrees of freedom that the assumed luck weighs as


@dataclass(frozen=True, slots=True)
class TuningLuck:
    """The standard deviation of a tuning's score, on the metric's scale, from `pairs` of tunings
    that were asked for the same.
    """

    deviation: float
    pairs: int


def tuning_luck(repeated: Sequence[Comparison], *, scale: float) -> TuningLuck | None:
    """Return the luck of a tuning; `repeated` compare a replicate with its first tuning.

    The squared difference of two tunings on the same rows is, on average, twice the variance of
    their luck and the variance that the choice of test rows gives it, which its interval shows: the
    difference is what tuning alone adds (method of moments). A few pairs say little, so it is drawn
    towards the assumed luck, which weighs as two pairs (as variances are in Smyth 2004, Linear
    models and empirical Bayes methods). None without a pair that has an interval.
    """
    known = [
        (each.difference, error) for each in repeated if (error := each.standard_error) is not None
    ]
    if not known:
        return None
    found = sum(difference**2 - error**2 for difference, error in known) / (2 * len(known))
    assumed = (TUNING_ERROR * scale) ** 2
    total = _ASSUMED_FREEDOM + len(known)
    drawn = (_ASSUMED_FREEDOM * assumed + len(known) * max(0.0, found)) / total
    return TuningLuck(math.sqrt(drawn), len(known))
