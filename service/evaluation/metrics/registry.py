"""The metrics we know; listing them imports neither `evaluate` nor what computes BLEU."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from service.errors import Invalid
from service.evaluation.metrics.accuracy import Accuracy
from service.evaluation.metrics.chrf import ChrF, chrf_signature
from service.evaluation.metrics.classification import (
    BalancedAccuracy,
    MacroF1,
    MicroF1,
    labels_of,
)
from service.evaluation.metrics.exact_match import ExactMatch, NormalisedMatch
from service.evaluation.metrics.json_values import JsonEqual, JsonFields, is_no_json
from service.evaluation.metrics.measures import Composed, GivenScore, Measure, References
from service.evaluation.metrics.pii import PiiEntities, PiiLeaks
from service.evaluation.metrics.preference import ChosenOverRejected
from service.evaluation.metrics.rouge import Kind, Rouge, loses_words
from service.evaluation.metrics.sacrebleu import (
    SacreBleu,
    Tokeniser,
    bleu_signature,
    is_unfit,
)
from service.evaluation.metrics.squad import (
    LowercaseExactMatch,
    LowercaseF1,
    MultilingualF1,
    Squad2ExactMatch,
    Squad2F1,
    SquadExactMatch,
    SquadF1,
    is_emptied,
    is_misread,
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
    `by_label` says that `build` takes the labels there are, `reads_raw` that answers are scored
    as the model gave them, not in the task's normal form. `reads_input` says that the input stands
    before the references of a row, `reads_rejected` that the rejected answer of a pair does.
    `is_given` says that no arithmetic on texts gives the scores: they stand in the rows of an
    evaluation.
    """

    name: str
    title: str
    level: Literal["corpus", "example"]
    build: Callable[..., Measure]
    higher_is_better: bool = True
    scale: float = 100.0
    binary: bool = False
    unfit: Unfit | None = None
    signed: Callable[[], str] | None = None
    version: int = 2
    by_label: bool = False
    reads_raw: bool = False
    reads_input: bool = False
    reads_rejected: bool = False
    is_given: bool = False

    def measure(self, references: Iterable[Sequence[str]] = ()) -> Measure:
        """Return the metric's arithmetic; `references` are those of all rows to be scored.

        They are read by metrics of labels alone. Raises Invalid `too_many_labels`.
        """
        return Composed(self.build(labels_of(references)) if self.by_label else self.build())

    def golds(self, references: Sequence[str], *, text: str, rejected: str) -> Sequence[str]:
        """Return what a row is scored against.

        Raises Invalid `pairs_required` where the metric reads a rejected answer and none is there.
        """
        if self.reads_rejected and not rejected:
            message = f"{self.name} is of rows with a rejected answer; choose another metric"
            raise Invalid(message, code="pairs_required")
        before = (text,) if self.reads_input else (rejected,) if self.reads_rejected else ()
        return (*before, *references)

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.higher_is_better else -1

    @property
    def signature(self) -> str:
        """All that a value depends on but the texts: values of two signatures do not compare.

        sacreBLEU's own where it computes so; else `version` counts the changes of our values.
        """
        return self.signed() if self.signed else f"{self.name}|version:{self.version}"

    def load(self) -> Any:
        """Return the metric as a module of Hugging Face `evaluate`, to be computed anywhere."""
        from service.evaluation.metrics.shipped import ShippedMetric

        return ShippedMetric(self.measure(), caution=self.caution)

    def caution(self, references: References) -> str:
        """Say how many rows have a reference that the metric is not made for; "" where none has."""
        return self.said_of(sum(map(self.is_unfit, references)), len(references))

    def is_unfit(self, golds: Sequence[str]) -> bool:
        """Say whether one of a row's references is of those that the metric is not made for."""
        return self.unfit is not None and any(map(self.unfit.applies, golds))

    def said_of(self, unfit: int, rows: int) -> str:
        """Return the caution about so many rows of all."""
        reason = self.unfit.reason if self.unfit else ""
        return f"{unfit} of {rows} rows: {reason}" if unfit else ""


_MISREAD = Unfit(
    is_misread,
    "SQuAD's normalisation, made for English, takes a reference without spaces for one word, or "
    "takes off what distinguishes it from others, such as the sign of -5 or the point of 1.5; "
    "multilingual_f1 scores these",
)
_EMPTIED = Unfit(
    lambda text: is_emptied(text) or is_misread(text),
    "SQuAD's normalisation, made for English, leaves nothing of a reference, such as the answer A, "
    "takes one without spaces for one word, or takes off what distinguishes it from others, such "
    "as the sign of -5 or the point of 1.5; multilingual_f1 scores these",
)
_NO_JSON = Unfit(is_no_json, "a reference is no JSON, so no answer is right; see exact_match")
_WORDLESS = Unfit(
    loses_words,
    "most of a reference is not made of the letters a-z and the digits 0-9, which alone ROUGE sees",
)


def _bleu(name: str, title: str, tokeniser: Tokeniser | None) -> MetricSpec:
    unfit = Unfit(
        partial(is_unfit, tokeniser=tokeniser),
        "a reference has under four tokens of this tokeniser, or no spaces between them, so that "
        "BLEU is 0 even for the right answer; see chrf, or sacrebleu_by_script",
    )
    measure, signed = partial(SacreBleu, tokeniser), partial(bleu_signature, tokeniser)
    return MetricSpec(name, title, "corpus", measure, unfit=unfit, signed=signed)


def _rouge(kind: Kind) -> tuple[MetricSpec, MetricSpec]:
    name, title = f"rouge{kind}", f"ROUGE-{kind}"
    plain, stemmed = partial(Rouge, kind), partial(Rouge, kind, stems=True)
    return (
        MetricSpec(name, title, "example", plain, unfit=_WORDLESS),
        MetricSpec(f"{name}_stemmed", f"{title} of stems", "example", stemmed, unfit=_WORDLESS),
    )


_SPECS = (
    _bleu("sacrebleu", "SacreBLEU", "13a"),
    _bleu("sacrebleu_zh", "SacreBLEU of Chinese", "zh"),
    _bleu("sacrebleu_char", "SacreBLEU of characters", "char"),
    _bleu("sacrebleu_by_script", "SacreBLEU by script", None),
    MetricSpec("chrf", "chrF", "corpus", ChrF, signed=chrf_signature),
    *_rouge("1"),
    *_rouge("2"),
    *_rouge("L"),
    MetricSpec(
        "exact_match", "exact match", "example", ExactMatch, binary=True, reads_raw=True, version=3
    ),
    MetricSpec(
        "normalised_match",
        "normalised match",
        "example",
        NormalisedMatch,
        binary=True,
        version=3,
    ),
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
        "squad_v2_exact_match",
        "SQuAD 2.0 exact match",
        "example",
        Squad2ExactMatch,
        binary=True,
        unfit=_MISREAD,
    ),
    MetricSpec("squad_v2_f1", "SQuAD 2.0 F1", "example", Squad2F1, unfit=_MISREAD),
    MetricSpec(
        "lowercase_exact_match",
        "lower-case exact match",
        "example",
        LowercaseExactMatch,
        binary=True,
    ),
    MetricSpec("lowercase_f1", "lower-case F1", "example", LowercaseF1),
    MetricSpec("multilingual_f1", "multilingual F1", "example", MultilingualF1, version=3),
    MetricSpec("json_equal", "equal JSON", "example", JsonEqual, binary=True, version=3),
    MetricSpec(
        "json_field_precision",
        "precision of JSON fields",
        "corpus",
        partial(JsonFields, "precision"),
        unfit=_NO_JSON,
        version=3,
    ),
    MetricSpec(
        "json_field_recall",
        "recall of JSON fields",
        "corpus",
        partial(JsonFields, "recall"),
        unfit=_NO_JSON,
        version=3,
    ),
    MetricSpec(
        "json_field_f1",
        "F1 of JSON fields",
        "corpus",
        partial(JsonFields, "f1"),
        unfit=_NO_JSON,
        version=3,
    ),
    MetricSpec("pii_entity_f1", "F1 of masked entities", "corpus", PiiEntities, version=3),
    MetricSpec(
        "pii_span_f1",
        "F1 of masked spans, labels aside",
        "corpus",
        partial(PiiEntities, labels=False),
        version=3,
    ),
    MetricSpec(
        "pii_leak_rate",
        "share of personal data that survives",
        "corpus",
        PiiLeaks,
        higher_is_better=False,
        reads_input=True,
        version=3,
    ),
    MetricSpec(
        "pii_leaked_characters",
        "share of the characters of personal data that survive",
        "corpus",
        partial(PiiLeaks, by_character=True),
        higher_is_better=False,
        reads_input=True,
        version=3,
    ),
    MetricSpec(
        "chosen_over_rejected",
        "share of answers nearer to the chosen than to the rejected one",
        "example",
        ChosenOverRejected,
        reads_rejected=True,
    ),
    MetricSpec("accuracy", "accuracy", "example", Accuracy, binary=True),
    MetricSpec("macro_f1", "macro F1", "corpus", MacroF1, by_label=True),
    MetricSpec("micro_f1", "micro F1", "corpus", MicroF1, by_label=True),
    MetricSpec("balanced_accuracy", "balanced accuracy", "corpus", BalancedAccuracy, by_label=True),
)

METRICS: Registry[MetricSpec] = Registry("metric", {spec.name: spec for spec in _SPECS})

# What a model that judges by a rubric gives: no metrics, and never computed from texts.
JUDGE_SCORE, JUDGE_WIN_RATE = "judge_score", "judge_win_rate"
JUDGED: Mapping[str, MetricSpec] = {
    name: MetricSpec(name, title, "example", GivenScore, reads_raw=True, is_given=True)
    for name, title in (
        (JUDGE_SCORE, "judge score"),
        (JUDGE_WIN_RATE, "win rate"),
    )
}


def find_score(name: str, *, pointer: str = "") -> MetricSpec:
    """Return a metric, or what a judge gives; raises Invalid `unknown_metric`."""
    return JUDGED.get(name) or METRICS.find(name, pointer=pointer)
