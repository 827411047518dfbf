"""An experiment that tunes several base models: a curve of each, and one answer."""

import json

import numpy as np

from service.evaluation.statistics.comparison import SharedRows, VariantScores
from service.experiments.analysis import Analysis, analyse, analysis_json
from service.experiments.answer import answer
from service.experiments.curve_schemas import ExperimentCurve
from service.experiments.learning_curve.curve import Point
from service.experiments.report.page import render_report
from service.experiments.report.tables import report_tables
from service.experiments.schemas import ExperimentSpec
from tests.service.experiments.curves import ZERO, point
from tests.service.experiments.reports import full_report

ROWS = 400
GEMINI, LOCAL = "gemini-3.1-flash-lite", "local:tiny-gpt2"
SCORES = {
    GEMINI: {50: 80.0, 200: 88.0, 800: 95.0},
    LOCAL: {50: 55.0, 200: 70.0, 800: 90.0},
}


def right(share: float) -> np.ndarray:
    return (np.arange(ROWS) < share / 100 * ROWS).astype(float)[:, None]


def analysis() -> Analysis:
    points: list[Point] = [ZERO]
    for model, scores in SCORES.items():
        for size, value in scores.items():
            name = f"tuned@{size}" if model == GEMINI else f"{model}: tuned@{size}"
            made = point(f"tuned@{size}", value)
            points.append(
                Point(
                    name, made.kind, size, value, made.low, made.high, 1.0, ROWS, base_model=model
                )
            )
    known, ends = np.ones(ROWS, dtype=bool), (np.zeros((ROWS, 1)), np.ones((ROWS, 1)))
    rows = [VariantScores(each.name, right(each.value or 0), known, *ends) for each in points]
    test = SharedRows(np.arange(ROWS), lambda sums: 100 * sums[..., 0] / ROWS, 100.0, binary=True)
    spec = ExperimentSpec.model_validate({"dataset": "ds_01jd5v0000000000000000000a"})
    return analyse("accuracy", points, rows, test=test, costs={}, spec=spec)


def test_each_base_model_has_a_curve_and_the_best_of_them_answers() -> None:
    found = analysis()
    shown = ExperimentCurve.model_validate(json.loads(json.dumps(analysis_json(found))))

    assert shown.base_model == GEMINI
    assert [each.train_size for each in shown.points] == [50, 200, 800]
    (rival,) = shown.rivals
    assert (rival.base_model, rival.provider) == (LOCAL, "local")
    assert [each.value for each in rival.points] == [55.0, 70.0, 90.0]
    assert rival.fit is not None
    compared = {frozenset((each.first, each.second)) for each in shown.comparisons}
    assert frozenset(("tuned@800", f"{LOCAL}: tuned@800")) in compared
    words = answer(found)
    assert words.startswith(f"Tune {GEMINI} (vertex) on 800 examples: 95.0")
    assert f"{LOCAL} (local) at its best scores 90.0 on 800, 5.0 [" in words
    assert "] below it;" in words


def test_the_report_shows_and_names_every_curve() -> None:
    report = full_report(analysis=analysis())
    page = render_report(report)

    assert page.count('<rect class="rival"') == 2 * 3  # for wide and for narrow screens
    assert "One for each base model, the best first" in page
    assert f"{LOCAL} (local)" in page
    assert page.count(f">{LOCAL}</text>") == page.count(f">{GEMINI}</text>") == 2
    models = report_tables(report)["curve"].decode().splitlines()
    assert {line.split(",")[0] for line in models} == {"base_model", GEMINI, LOCAL}
