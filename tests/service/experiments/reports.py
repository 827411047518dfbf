"""A report with everything on it, for the tests of this room."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from service.datasets.examples import Example
from service.evaluation.generation_schemas import JudgeMode
from service.evaluation.judges.reports import Estimate, JudgeCalibration, JudgeReport
from service.evaluation.schemas import Score
from service.evaluation.scoring.confidence import (
    Automation,
    ConfidenceReport,
    ConfidenceSource,
)
from service.evaluation.scoring.confusion import ConfusionCounts
from service.evaluation.scoring.findings import AnswerFinding
from service.evaluation.setup_schemas import Decoding, EvaluationSetup, ShotSelection
from service.experiments.decisions.front import VariantCost
from service.experiments.label_error_schemas import LabelErrors, SuspectRow
from service.experiments.learning_curve.curve import learning_curve
from service.experiments.report.data import (
    DatasetFacts,
    PromptSample,
    ReportData,
    VariantDetails,
)
from service.experiments.report.row_examples import compare_rows
from service.money import NANO
from service.tuning.curve_schemas import OverfittingFinding
from tests.service.experiments.curves import FEW, ZERO, analysed, tuned

LABELS = ["complaint", "question", "praise"]
SECRET = "Ms Dalrymple of 12 Elm Street, dalrymple@example.com, wrote about IBAN DE89 3704"
COMMON = frozenset({"about", "wrote", "of", *LABELS})
COSTS = {
    name: VariantCost(300, 40, per_thousand, 8 * NANO if "@" in name else 0, latency)
    for name, per_thousand, latency in [
        ("zero-shot", NANO // 10, 340),
        ("few-shot (3)", NANO // 2, 520),
        ("tuned@50", NANO // 4, None),
        ("tuned@200", NANO // 4, 300),
        ("tuned@800", NANO // 4, 310),
    ]
}


def row(
    position: int, answer: str, *, correct: bool, expected: str = "complaint"
) -> dict[str, Any]:
    """Return a row of an evaluation's table."""
    return {
        "position": position,
        "input": SECRET,
        "references": [expected],
        "rejected": "",
        "answer": answer,
        "outcome": "ok",
        "correct": correct,
        "scores": {"accuracy": 100.0 * correct},
    }


def details(*, shots: int = 0) -> VariantDetails:
    counts = ConfusionCounts(LABELS)
    for expected, answered in [("complaint", "complaint"), ("question", "praise"), ("praise", "?")]:
        counts.add([expected], answered)
    example = Example("ex_1", SECRET, "complaint", ("complaint",), "g", 1, "complaint")
    decoding = Decoding(
        temperature=0,
        max_output_tokens=1024,
        seed=0,
        samples=1,
        thinking={},
        not_sent=[],
        response_format=None,
    )
    setup = EvaluationSetup(
        instruction="Say what the customer wants.",
        shot_selection=ShotSelection.FIXED if shots else None,
        shot_ids=["ex_1"] * shots,
        decoding=decoding,
        answers="label",
        labels=LABELS,
        extraction=None,
        normalisation="label",
        normalisation_steps=["case is folded"],
    )
    f1 = Score(
        metric="macro_f1", value=81.25, low=76.5, high=85.1, n=200, rows=200, coverage=1,
        worst=None, best=None, leaky=False, method="jackknife", signature="macro_f1", caution=None,
        error=None,
    )  # fmt: skip
    finding = AnswerFinding(
        code="outside_labels", message="answers that are none of the task's labels", rows=1,
        share=0.005, positions=[2],
    )  # fmt: skip
    return VariantDetails(
        scores=[f1],
        findings=[finding],
        confusion=counts.matrix(),
        setup=setup,
        prompt=PromptSample("Say what the customer wants.", example, [example] * shots),
        confidence=CONFIDENCE,
    )


OVERFITTING = OverfittingFinding(
    best_step=1200, best_loss=0.3, last_step=3000, last_loss=0.414, rise=0.38, best_gap=0.1,
    last_gap=0.35,
)  # fmt: skip
CONFIDENCE = [
    ConfidenceReport(
        source=ConfidenceSource.VOTE, rows=100, missing=0, used=True, caution="", ece=0.05,
        auroc=0.8,
        automation=[
            Automation(
                goal="right", target=0.95, threshold=0.7, rows=100, passed=40, share=0.4,
                share_low=0.3, share_high=0.5, precision=0.975, precision_low=0.9,
                precision_high=0.99, groups=100, method="learn then test",
            )
        ],
    ),
    ConfidenceReport(
        source=ConfidenceSource.VERBAL, rows=9, missing=0, used=False, caution="it <varies>"
    ),
]  # fmt: skip


JUDGE = JudgeReport(
    score="judge_score", mode=JudgeMode.POINTWISE, model="gemini-3.5-flash", family="gemini",
    same_family=True, rubric="At most 40 words.", levels=5, against=None, repeats=2, rows=200,
    unread=3, retest_kappa=0.37, retest_same=0.6,
    position_bias=Estimate(value=0.12, low=0.02, high=0.22),
    length_correlation=Estimate(value=0.3, low=0.2, high=0.4),
    caution="it repeats itself too seldom: a retest kappa of 0.37 is below 0.4",
    calibration=JudgeCalibration(
        rows=100, raters=2, kappa=Estimate(value=0.61, low=0.5, high=0.72), same=0.7,
        rater_kappa=0.7, leniency=Estimate(value=4.2, low=1.0, high=7.4),
        length_bias=Estimate(value=None), corrected=Estimate(value=71.2, low=64.9, high=77.5),
    ),
)  # fmt: skip
SUSPECTS = LabelErrors(
    experiment="exp_1", checked=600, models=["tuned@50", "tuned@200"],
    data=[
        SuspectRow(
            row=number, example_id=f"ex_{number}", label="complaint", suggested="praise", votes=2,
            models=2, evidence=3.1,
        )
        for number in range(1, 30)
    ],
)  # fmt: skip


def judged_report() -> ReportData:
    """Return a report whose answers a model has judged, with label errors."""
    judged = {name: replace(details(), judge=JUDGE) for name in ("zero-shot", "tuned@800")}
    return full_report(variants=judged, label_errors=SUSPECTS)


def full_report(**changes: Any) -> ReportData:
    """Return a report of which every section has something to show."""
    curve = learning_curve("accuracy", [ZERO, FEW, *tuned({50: 86.4, 200: 91.0, 800: 94.3})])
    pairs = [
        (row(0, "praise", correct=False), row(0, "complaint", correct=True)),
        (row(1, "complaint", correct=True), row(1, "praise", correct=False)),
        (row(2, "complaint", correct=True), row(2, "complaint", correct=True)),
    ]
    found = compare_rows(
        pairs, variant="tuned@800", prompt="few-shot (3)", metric="accuracy", is_json=False
    )
    report = ReportData(
        experiment_id="exp_1",
        title="A title with <script>alert(1)</script> in it",
        analysis=analysed(curve, costs=COSTS),
        dataset=DatasetFacts("ds_1", rows=7000, kept=6800, dropped={"duplicate": 200}),
        base_model="gemini-3.1-flash-lite",
        seed=7,
        synthetic=True,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        ids={"Job": "job_1", "fingerprint": "0123456789abcdef" * 4},
        variants={
            "zero-shot": details(),
            "few-shot (3)": details(shots=3),
            **{name: details() for name in ("tuned@50", "tuned@200")},
            "tuned@800": replace(details(), overfitting=OVERFITTING),
        },
        rows=found,
        common=COMMON,
    )
    return replace(report, **changes)
