"""All that the report of an experiment says, before it is drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from service.datasets.examples import Example, Turn
from service.evaluation.judges.reports import JudgeReport
from service.evaluation.prompts import conversation
from service.evaluation.schemas import Score
from service.evaluation.scoring.confidence import ConfidenceReport
from service.evaluation.scoring.confusion import ConfusionMatrix
from service.evaluation.scoring.findings import AnswerFinding
from service.evaluation.setup_schemas import EvaluationSetup
from service.experiments.analysis import Analysis
from service.experiments.label_error_schemas import LabelErrors
from service.experiments.learning_curve.curve import Point
from service.experiments.report.row_examples import RowFindings
from service.tuning.curve_schemas import OverfittingFinding


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """How many rows came in and stayed; `dropped` counts the others by reason."""

    id: str
    rows: int
    kept: int
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromptSample:
    """What was sent for the first test row; `instruction` is without what asks for reasoning."""

    instruction: str
    example: Example
    shots: Sequence[Example] = ()
    reasons: bool = False

    def turns(self, shown: Callable[[str], str]) -> list[Turn]:
        """Return the turns with the texts of all examples as `shown` returns them."""
        example, *shots = (
            replace(
                each,
                text=shown(each.text),
                target=shown(each.target),
                history=tuple(Turn(turn.role, shown(turn.text)) for turn in each.history),
            )
            for each in (self.example, *self.shots)
        )
        sent = conversation(self.instruction, example, shots=shots, reasons=self.reasons)
        return [Turn("model" if turn.role == "model" else "user", turn.text) for turn in sent]


@dataclass(frozen=True, slots=True)
class VariantDetails:
    """What is known of a variant beside its point on the curve.

    `scores` are those of the other metrics; `overfitting` is what the curves of its model show,
    and `has_few_points` says that their validation losses are too few to show it.
    """

    scores: Sequence[Score] = ()
    findings: Sequence[AnswerFinding] = ()
    overfitting: OverfittingFinding | None = None
    has_few_points: bool = False
    confusion: ConfusionMatrix | None = None
    setup: EvaluationSetup | None = None
    prompt: PromptSample | None = None
    confidence: Sequence[ConfidenceReport] = ()
    judge: JudgeReport | None = None


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that the page says. `ids` names what it was made from (`job`, `evaluation of ...`).

    `common` are words that many rows share: what a masked text may show. `unscored` says of each
    variant without a score why it has none.
    """

    experiment_id: str
    title: str
    analysis: Analysis
    dataset: DatasetFacts
    base_model: str
    seed: int
    synthetic: bool
    created_at: datetime
    leaky: bool = False
    unlisted_model: bool = False
    documented_only: bool = False
    ids: Mapping[str, str] = field(default_factory=dict)
    variants: Mapping[str, VariantDetails] = field(default_factory=dict)
    rows: RowFindings | None = None
    common: frozenset[str] = frozenset()
    label_errors: LabelErrors | None = None
    unscored: Sequence[tuple[str, str]] = ()

    @property
    def points(self) -> Sequence[Point]:
        """The variants as points: prompts, then the sizes of the curve, then the others."""
        curve = self.analysis.curve
        return (*curve.baselines, *curve.points, *curve.others)
