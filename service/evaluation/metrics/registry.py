"""The metrics we know; listing them imports neither `evaluate` nor any metric."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from service.evaluation.statistics import Array
from service.registry import Registry


class Measure(Protocol):
    """A metric taken apart, so that a bootstrap sums instead of reading the texts again.

    `statistics`, `worst` and `best` give one row of sufficient statistics for each example,
    `worst` and `best` those of the least and the most that an answer could have earned.
    `totals` turns sums of such rows (any leading shape) into scores on the metric's scale.
    """

    def statistics(
        self, predictions: Sequence[str], references: Sequence[Sequence[str]]
    ) -> Array: ...

    def worst(self, references: Sequence[Sequence[str]]) -> Array: ...

    def best(self, references: Sequence[Sequence[str]]) -> Array: ...

    def totals(self, sums: Array) -> Array: ...


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """`scale` is the score of a perfect answer where higher is better; `load` imports the code."""

    name: str
    title: str
    level: Literal["corpus", "example"]
    load: Callable[[], Measure]
    higher_is_better: bool = True
    scale: float = 100.0


def _sacrebleu() -> Measure:
    from service.evaluation.metrics.sacrebleu import SacreBleu

    return SacreBleu()


def _exact_match() -> Measure:
    from service.evaluation.metrics.exact_match import ExactMatch

    return ExactMatch()


def _squad_exact_match() -> Measure:
    from service.evaluation.metrics.squad import SquadExactMatch

    return SquadExactMatch()


def _squad_f1() -> Measure:
    from service.evaluation.metrics.squad import SquadF1

    return SquadF1()


def _accuracy() -> Measure:
    from service.evaluation.metrics.accuracy import Accuracy

    return Accuracy()


_SPECS = (
    MetricSpec("sacrebleu", "SacreBLEU", "corpus", _sacrebleu),
    MetricSpec("exact_match", "exact match", "example", _exact_match),
    MetricSpec("squad_exact_match", "SQuAD exact match", "example", _squad_exact_match),
    MetricSpec("squad_f1", "SQuAD F1", "example", _squad_f1),
    MetricSpec("accuracy", "accuracy", "example", _accuracy),
)

METRICS: Registry[MetricSpec] = Registry("metric", {spec.name: spec for spec in _SPECS})
