"""Learning curves and their verdicts."""

import json
from dataclasses import asdict, fields

import pytest
from pydantic import BaseModel

from service.errors import Invalid
from service.evaluation.statistics.comparison import Comparison
from service.experiments.analysis import analysis_json
from service.experiments.curve_schemas import (
    CurveBand,
    CurvePoint,
    ExperimentCurve,
    VariantComparison,
)
from service.experiments.decisions.front import VariantCost
from service.experiments.learning_curve.curve import Point, Verdict, learning_curve
from service.experiments.learning_curve.fit import CurveFit
from service.money import NANO
from tests.service.experiments.curves import FEW, ZERO, analysed, point, tuned

RISING: dict[int, float | None] = {50: 86.4, 200: 91.0, 800: 94.3}
FLAT: dict[int, float | None] = {50: 90.0, 200: 90.1, 800: 90.1, 3200: 90.1}
SATURATING: dict[int, float | None] = {50: 85.0, 200: 89.8, 800: 90.1, 3200: 90.1}
STEEP: dict[int, float | None] = {50: 50.0, 200: 62.0, 800: 74.0, 3200: 86.0}


@pytest.mark.parametrize(
    ("points", "verdict"),
    [
        (tuned({50: 86.4, 200: 91.0}), Verdict.TOO_FEW_SIZES),
        (tuned({50: 86.4, 200: None, 800: 94.3}), Verdict.TOO_FEW_SIZES),
        (tuned(RISING), Verdict.UNDECIDED),
        (tuned(RISING, half=None), Verdict.UNDECIDED),
        ([ZERO, *tuned(FLAT, half=0.3)], Verdict.PLATEAU),
        (tuned(FLAT, half=0.3), Verdict.FLAT),
        (tuned(SATURATING, half=0.3), Verdict.PLATEAU),
        ([ZERO, *tuned({50: 0.0, 200: 0.0, 800: 0.0, 3200: 0.0}, half=0.3)], Verdict.FLAT),
        (tuned(STEEP, half=0.5), Verdict.STILL_RISING),
        ([], Verdict.TOO_FEW_SIZES),
    ],
)
def test_the_verdict_follows_from_the_gain_of_one_more_doubling(
    points: list[Point], verdict: Verdict
) -> None:
    assert learning_curve("sacrebleu", points).verdict is verdict


def test_the_article_s_three_sizes_decide_nothing_at_half_a_point_and_no_plateau_at_one() -> None:
    """SacreBLEU 86.38, 90.97, 94.30 of 50, 200 and 800 examples, standard error 0.5."""
    points = tuned({50: 86.38, 200: 90.97, 800: 94.30}, half=1.96 * 0.5)
    verdicts = {
        least: learning_curve("sacrebleu", [ZERO, *points], worthwhile_gain=least).verdict
        for least in (0.5, 1.0)
    }
    assert verdicts[0.5] is Verdict.UNDECIDED
    assert verdicts[1.0] is not Verdict.PLATEAU


def test_the_article_s_curve_passes_its_best_prompt_near_seventy_examples() -> None:
    points = tuned({50: 86.38, 200: 90.97, 800: 94.3}, half=0.98)
    fit = learning_curve("sacrebleu", [point("few-shot (3)", 87.6, half=0.98), *points]).fit
    assert fit is not None
    assert fit.break_even == pytest.approx(70, abs=12)
    assert (fit.break_even_low or 0) < 70 < (fit.break_even_high or 0)
    above = learning_curve("sacrebleu", [point("few-shot (3)", 99.9), *points]).fit
    assert above is not None
    assert (above.break_even, above.break_even_high) == (None, None)
    below = learning_curve("sacrebleu", [point("few-shot (3)", 60.0), *points]).fit
    assert below is not None
    assert (fit.crossing, below.break_even, below.crossing) == (fit.break_even, 50, None)


def test_what_is_worthwhile_is_the_user_s_to_say() -> None:
    assert learning_curve("sacrebleu", tuned(STEEP), worthwhile_gain=0.5).worthwhile_gain == 0.5
    assert learning_curve("sacrebleu", tuned(STEEP)).worthwhile_gain == pytest.approx(0.5)
    verdict = learning_curve("sacrebleu", tuned(STEEP, half=0.5), worthwhile_gain=20).verdict
    assert verdict is Verdict.PLATEAU


def test_a_curve_is_fitted_from_three_sizes_with_intervals() -> None:
    assert learning_curve("sacrebleu", tuned({50: 86.4, 200: 91.0})).fit is None
    assert learning_curve("sacrebleu", tuned({50: 86, 200: 91, 800: 94}, half=None)).fit is None
    assert learning_curve("sacrebleu", tuned({50: 86, 200: 91, 800: 94})).fit is not None


def test_points_are_sorted_by_size_and_prompts_set_apart() -> None:
    curve = learning_curve("sacrebleu", [*tuned({800: 94.3, 50: 86.4}), FEW, ZERO])
    assert [each.train_size for each in curve.points] == [50, 800]
    assert curve.baselines == (FEW, ZERO)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(Invalid, match="no such metric"):
        learning_curve("rouge", [])


def test_a_curve_can_be_stored_as_json() -> None:
    curve = learning_curve("sacrebleu", [ZERO, FEW, *tuned(RISING)])
    stored = json.loads(json.dumps(asdict(curve)))
    assert stored["verdict"] == "undecided"
    assert stored["points"][0]["kind"] == "tuned"


@pytest.mark.parametrize(
    ("stored", "shown"),
    [(Point, CurvePoint), (CurveFit, CurveBand), (Comparison, VariantComparison)],
)
def test_what_is_stored_of_a_curve_is_shown(stored: type, shown: type[BaseModel]) -> None:
    assert {field.name for field in fields(stored)} == set(shown.model_fields) - {"is_shown"}


def test_all_that_is_stored_of_an_analysis_is_shown() -> None:
    curve = learning_curve("sacrebleu", [ZERO, FEW, *tuned(RISING)])
    costs = {name: VariantCost(300, 40, NANO, NANO) for name in ("zero-shot", "tuned@800")}
    stored = json.loads(json.dumps(analysis_json(analysed(curve, costs=costs))))
    shown = ExperimentCurve.model_validate(stored).model_dump(mode="json")
    assert shown == stored
    assert shown["costs"]["tuned@800"]["per_thousand_calls"] == "1.00"
    assert shown["next_steps"]
