"""Whether a judge says the same when it is asked again with the order turned round. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from service.evaluation.statistics.agreement import weighted_kappa


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
