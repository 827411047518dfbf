"""The metrics we know; listing them imports neither `evaluate` nor any metric."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from service.evaluation.metrics.measures import Measure
from service.registry import Registry


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """`scale` is the score of a perfect answer where higher is better.

    `binary` says that a row earns 0 or 1 and the score is their mean.

    `measure` imports the arithmetic alone: workers score with it, as `evaluate` would cost each
    of them 120 MB and two seconds. `load` returns the same arithmetic as an `evaluate` module.
    """

    name: str
    title: str
    level: Literal["corpus", "example"]
    measure: Callable[[], Measure]
    higher_is_better: bool = True
    scale: float = 100.0
    binary: bool = False

    def load(self) -> Any:
        """Return the metric as a module of Hugging Face `evaluate`, to be computed anywhere."""
        from service.evaluation.metrics.shipped import ShippedMetric

        return ShippedMetric(self.measure())


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
    MetricSpec("exact_match", "exact match", "example", _exact_match, binary=True),
    MetricSpec(
        "squad_exact_match", "SQuAD exact match", "example", _squad_exact_match, binary=True
    ),
    MetricSpec("squad_f1", "SQuAD F1", "example", _squad_f1),
    MetricSpec("accuracy", "accuracy", "example", _accuracy, binary=True),
)

METRICS: Registry[MetricSpec] = Registry("metric", {spec.name: spec for spec in _SPECS})
