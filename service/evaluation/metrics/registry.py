"""The metrics we know; listing them imports neither `evaluate` nor what computes BLEU."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from service.evaluation.metrics.accuracy import Accuracy
from service.evaluation.metrics.exact_match import ExactMatch, NormalisedMatch
from service.evaluation.metrics.measures import Measure, References
from service.evaluation.metrics.sacrebleu import SacreBleu
from service.evaluation.metrics.squad import (
    LowercaseExactMatch,
    LowercaseF1,
    MultilingualF1,
    Squad2ExactMatch,
    Squad2F1,
    SquadExactMatch,
    SquadF1,
    is_emptied,
)
from service.registry import Registry


@dataclass(frozen=True, slots=True)
class Unfit:
    """References that a metric is not made for: which, and what to do about them."""

    applies: Callable[[str], bool]
    reason: str


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """`scale` is the score of a perfect answer where higher is better.

    `binary` says that a row earns 0 or 1 and the score is their mean.

    `measure` makes the arithmetic alone: workers score with it, as `evaluate` would cost each
    of them 120 MB and two seconds. `load` returns the same arithmetic as an `evaluate` module.
    """

    name: str
    title: str
    level: Literal["corpus", "example"]
    measure: Callable[[], Measure]
    higher_is_better: bool = True
    scale: float = 100.0
    binary: bool = False
    unfit: Unfit | None = None

    def load(self) -> Any:
        """Return the metric as a module of Hugging Face `evaluate`, to be computed anywhere."""
        from service.evaluation.metrics.shipped import ShippedMetric

        return ShippedMetric(self.measure(), caution=self.caution)

    def caution(self, references: References) -> str:
        """Say how many rows have a reference that the metric is not made for; "" where none has."""
        if self.unfit is None:
            return ""
        rows = sum(any(map(self.unfit.applies, golds)) for golds in references)
        return f"{rows} of {len(references)} rows: {self.unfit.reason}" if rows else ""


_EMPTIED = Unfit(
    is_emptied,
    "SQuAD's normalisation leaves nothing of a reference, such as the answer A; "
    "squad_v2_f1 or multilingual_f1 score these",
)

_SPECS = (
    MetricSpec("sacrebleu", "SacreBLEU", "corpus", SacreBleu),
    MetricSpec("exact_match", "exact match", "example", ExactMatch, binary=True),
    MetricSpec("normalised_match", "normalised match", "example", NormalisedMatch, binary=True),
    MetricSpec(
        "squad_exact_match",
        "SQuAD exact match",
        "example",
        SquadExactMatch,
        binary=True,
        unfit=_EMPTIED,
    ),
    MetricSpec("squad_f1", "SQuAD F1", "example", SquadF1, unfit=_EMPTIED),
    MetricSpec(
        "squad_v2_exact_match", "SQuAD 2.0 exact match", "example", Squad2ExactMatch, binary=True
    ),
    MetricSpec("squad_v2_f1", "SQuAD 2.0 F1", "example", Squad2F1),
    MetricSpec(
        "lowercase_exact_match",
        "lower-case exact match",
        "example",
        LowercaseExactMatch,
        binary=True,
    ),
    MetricSpec("lowercase_f1", "lower-case F1", "example", LowercaseF1),
    MetricSpec("multilingual_f1", "multilingual F1", "example", MultilingualF1),
    MetricSpec("accuracy", "accuracy", "example", Accuracy, binary=True),
)

METRICS: Registry[MetricSpec] = Registry("metric", {spec.name: spec for spec in _SPECS})
