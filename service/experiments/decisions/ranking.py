"""The variants of an experiment in order, each with its difference to the best. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.evaluation.metrics.registry import MetricSpec
from service.evaluation.statistics.comparison import Comparison
from service.experiments.decisions.decision import PairedComparisons, rank
from service.experiments.learning_curve.curve import Point


@dataclass(frozen=True, slots=True)
class RankedVariant:
    """`to_best` is the best variant minus this one; None for the best, and where it is not known.

    `is_worse` says that it is shown to be worse than the best, with its p-value adjusted for how
    many variants there are.
    """

    rank: int
    name: str
    value: float
    to_best: Comparison | None
    is_worse: bool


def rank_variants(
    points: Sequence[Point], comparisons: Sequence[Comparison], *, spec: MetricSpec
) -> tuple[RankedVariant, ...]:
    """Return the scored variants, best first; of equals the one with the fewest examples."""
    ordered = rank(points, spec=spec)
    pairs = PairedComparisons(comparisons)
    best = ordered[0] if ordered else None
    return tuple(
        RankedVariant(
            rank=place,
            name=each.name,
            value=each.value or 0.0,
            to_best=pairs.find(best, each),
            is_worse=best is not None and pairs.is_better(best, each),
        )
        for place, each in enumerate(ordered, start=1)
    )
