"""Options of the preset squad: answers in lower case, and questions without an answer."""

import json
from typing import Any

import pytest

from service.datasets.formats.rows import SourceRow
from service.datasets.presets.preset import ConvertedExample, Preset
from service.datasets.presets.registry import choose_preset
from service.datasets.schemas import PrepareSpec
from service.evaluation.metrics.registry import METRICS
from service.evaluation.metrics.squad import lower_collapsed
from tests.service.datasets.columnar import Outcome, prepare_rows

OUTSIDE = 5  # the row whose answer does not stand in its context


def preset(**options: Any) -> Preset:
    return choose_preset("squad", template=None, columns=(), squad=_options(options))


def _options(given: dict[str, Any]) -> Any:
    spec = {"preset": "squad", "source": {"type": "synthetic"}, "squad": given}
    return PrepareSpec.model_validate(spec).squad


def converted(made: Preset, answers: Any) -> ConvertedExample:
    fields = {"context": "The Old  Mill in ULM", "question": "What?", "title": ""}
    example = made.convert(fields | {"answers": json.dumps(answers)})
    assert isinstance(example, ConvertedExample)
    return example


def outcome(**options: Any) -> Outcome:
    rows = []
    for number in range(1, 25):
        known = [f"The  Mill {number}"] if number != OUTSIDE else ["Elsewhere"]
        context = f"Report {number}: the river {'runs ' * number}past The Mill {number} at night."
        fields = {"context": context, "question": f"What is passed, case {number}?"}
        rows.append(
            SourceRow(number, fields | {"answers": json.dumps(known if number % 4 else [])})
        )
    given = {"preset": "squad", "source": {"type": "synthetic"}, "squad": options}
    sizes = {"train_sizes": [4], "test_size": 4, "near_duplicates": None}
    return prepare_rows(rows, PrepareSpec.model_validate(given | sizes))


def test_answers_are_lowered_and_collapsed_as_the_notebooks_normaliser_does() -> None:
    example = converted(preset(answers="lowercase"), ["The Old\u00a0 Mill", "the old mill", "ULM"])

    assert example.references == ("the old mill", "ulm")
    assert example.target == lower_collapsed("The Old\u00a0 Mill")
    assert example.text == "Context: The Old Mill in ULM\nQuestion: What?"


def test_without_the_option_answers_keep_their_case() -> None:
    assert converted(preset(), ["The Old  Mill", "ULM"]).references == ("The Old Mill", "ULM")


def test_the_weaker_metrics_stand_beside_the_official_ones() -> None:
    metrics = preset(answers="lowercase").metrics
    assert metrics == (*preset().metrics, "lowercase_f1", "lowercase_exact_match")
    assert set(metrics) <= set(METRICS)


@pytest.mark.parametrize("answers", ["as_written", "lowercase"])
def test_answers_without_a_match_in_their_context_are_reported(answers: str) -> None:
    warnings = {each.code: each for each in outcome(answers=answers).report.warnings}

    assert warnings["answer_not_in_context"].first_rows == [OUTSIDE]


def test_questions_without_an_answer_are_left_out_or_taught() -> None:
    left_out, taught = outcome(), outcome(unanswerable="teach", no_answer="none")

    assert left_out.report.dropped["unanswerable"].rows == 6
    assert "unanswerable" not in taught.report.dropped
    examples = [*taught.splits.train, *taught.splits.test, *taught.splits.spare]
    assert {each.row for each in examples if each.references == ("none",)} <= set(range(4, 25, 4))
    assert sum(each.target == "none" for each in examples) >= 4
    warnings = {each.code: each for each in taught.report.warnings}
    assert warnings["answer_not_in_context"].first_rows == [OUTSIDE]
    assert (
        "return: none\n\nContext: "
        in json.loads(taught.lines[0])["contents"][0]["parts"][0]["text"]
    )


@pytest.mark.parametrize("metric", ["squad_f1", "squad_exact_match"])
def test_the_answer_that_there_is_none_scores_as_any_other(metric: str) -> None:
    example = converted(preset(unanswerable="teach"), [])
    measure = METRICS[metric].measure()

    assert measure.totals(measure.statistics(["Unanswerable."], [example.references])[0]) == 100
    assert measure.totals(measure.statistics(["in Ulm"], [example.references])[0]) == 0
