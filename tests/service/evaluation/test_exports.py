"""The table of an evaluation: its rows, their schema, their filters, and metrics that fail."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from service.datasets.queries import answer_form_of
from service.errors import Conflict
from service.evaluation.exports.manifest import evaluation_manifest
from service.evaluation.exports.row_filters import RowFilter
from service.evaluation.exports.schemas import EvaluationRowOut
from service.evaluation.metrics.registry import METRICS, MetricSpec
from service.evaluation.models import ScoreRow
from service.evaluation.queries import row_schema_of
from service.evaluation.scoring.metric_runs import MetricRun, chosen_metrics, correct_by
from service.evaluation.scoring.row_table import json_schema, rows_after, table_schema
from service.evaluation.scoring.scores import Scored, check_signatures
from service.inference.ports import Outcome
from service.storage.tables import rows_as_csv, rows_as_jsonl
from tests.service.evaluation.conftest import ROWS, Room


class Broken:
    """A metric of a user's own that meets a text it cannot take."""

    def statistics(self, predictions: Any, references: Any) -> Any:
        raise KeyError(predictions[0])

    def worst(self, references: Any) -> Any:
        return references

    best = totals = worst


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> str:
    spec = MetricSpec("broken", "broken", "example", Broken)
    monkeypatch.setitem(METRICS._entries, "broken", spec)
    return "broken"


def test_a_metric_that_fails_is_a_row_with_the_reason_and_spoils_no_other(
    room: Room, broken: str
) -> None:
    evaluation = room.evaluate(room.reserve(metrics=["exact_match", broken, "macro_f1"]))

    with room.sessions.reading() as session:
        stored = session.query(ScoreRow).filter_by(evaluation_id=evaluation.id)
        scores = {each.metric: each for each in stored}
    assert (scores["exact_match"].value, scores["exact_match"].error) == (0, "")
    assert (scores[broken].value, scores[broken].error) == (None, "KeyError")
    assert {row["scores"][broken] for row in room.table(evaluation)} == {None}
    assert scores["exact_match"].signature == "exact_match|version:3|answers:raw"
    assert scores["macro_f1"].signature == "macro_f1|version:2|answers:verbatim"


def test_labels_that_are_too_many_are_a_reason_too() -> None:
    references = [[f"text {at}"] for at in range(1500)]
    run = MetricRun("macro_f1", references=references, normal_form="verbatim")
    rows = [Scored(str(at), Outcome.OK, "a", (f"text {at}",), "g") for at in range(len(references))]

    assert run.take(rows) == [None] * len(rows)
    assert "too many texts to be labels" in run.score().error


def test_rows_have_the_same_names_in_the_api_and_in_files_and_follow_their_schema(
    room: Room,
) -> None:
    evaluation = room.evaluate(
        room.reserve(variant="few_shot", shots=2, metrics=["rougeL", "exact_match"])
    )

    schema = row_schema_of(evaluation.id, project_id=room.project_id, sessions=room.sessions)
    rows = room.table(evaluation)
    lines = [json.loads(line) for line in rows_as_jsonl(rows)]
    for line in lines:
        Draft202012Validator(schema).validate(line)
        shown = EvaluationRowOut.model_validate(line).model_dump(exclude={"object"})
        assert shown.keys() == line.keys() == schema["properties"].keys()
    header = next(rows_as_csv(rows, columns=list(table_schema(()).columns))).decode()
    assert header.splitlines()[0].split(",") == list(schema["properties"])
    assert list(lines[0]["scores"]) == ["rougeL", "exact_match"]
    assert {line["latency_ms"] is not None for line in lines} == {True}
    assert {line["variant"] for line in lines} == {"few_shot"}
    assert {line["correct"] for line in lines} == {False}
    Draft202012Validator.check_schema(json_schema(["a"]))


def test_the_manifest_tells_what_the_results_are_of(room: Room) -> None:
    evaluation = room.evaluate(room.reserve(metrics=["exact_match"]))

    manifest = evaluation_manifest(
        evaluation.id, project_id=room.project_id, sessions=room.sessions
    )

    assert (manifest.preset, manifest.rows, manifest.variant) == ("pii", ROWS, "zero_shot")
    assert manifest.table_sha256 in (evaluation.table_key or "")
    assert manifest.dataset_fingerprint
    assert [each.signature for each in manifest.metrics] == ["exact_match|version:3|answers:raw"]
    assert manifest.setup is not None
    with room.sessions.reading() as session:
        form = answer_form_of(session, room.dataset_id, project_id=room.project_id)
    assert manifest.setup.answers == form.kind.value


def test_rows_are_read_from_any_position(room: Room) -> None:
    evaluation = room.evaluate(room.reserve())
    key = evaluation.table_key or ""

    for after in (-1, 0, ROWS - 2, ROWS - 1, ROWS + 5):
        rows = rows_after(key, evaluation.id, after=after, store=room.store)
        assert [row["position"] for row in rows] == list(range(after + 1, ROWS))


ROW = {
    "outcome": "ok",
    "label": "a",
    "group": "g",
    "answer": '{"guest": {"name": "Ann"}, "n": 2}',
    "prediction": "",
    "findings": ["empty"],
    "correct": False,
    "references": ['{"guest": {"name": "Bo"}, "n": 2}'],
}


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({}, True),
        ({"outcome": "ok", "label": "a", "group": "g"}, True),
        ({"label": "b"}, False),
        ({"answer": "b"}, False),
        ({"correct": False}, True),
        ({"correct": True}, False),
        ({"finding": "empty"}, True),
        ({"finding": "truncated"}, False),
        ({"field": "guest.name"}, True),
        ({"field": "guest"}, True),
        ({"field": "n"}, False),
    ],
)
def test_rows_are_filtered(options: dict[str, Any], *, passes: bool) -> None:
    assert RowFilter(**options).accepts(ROW) == passes


def test_an_answer_is_right_by_the_first_metric_of_right_and_wrong() -> None:
    assert correct_by({"sacrebleu": 60.0, "exact_match": 100.0}) is True
    assert correct_by({"squad_f1": 100.0}) is True
    assert correct_by({"squad_f1": 99.0}) is False
    assert correct_by({"pii_leak_rate": 0.0}) is True
    assert correct_by({"macro_f1": None}) is None


def test_beside_a_metric_that_is_unfit_stands_one_that_is_not() -> None:
    long, short = [["one two three four five"]], [["two words"]]

    assert chosen_metrics(["sacrebleu"], long * 40) == ("sacrebleu",)
    assert chosen_metrics(["sacrebleu"], [*long * 40, *short]) == ("sacrebleu",)
    assert chosen_metrics(["sacrebleu"], [*long * 4, *short]) == ("sacrebleu", "chrf")
    assert chosen_metrics(["chrf", "sacrebleu"], short) == ("chrf", "sacrebleu")
    assert chosen_metrics(["exact_match"], short) == ("exact_match",)
    spans = chosen_metrics(["squad_f1", "squad_exact_match"], [["A"], ["B"]])
    assert spans == ("squad_f1", "squad_exact_match", "multilingual_f1")


def test_a_score_says_for_which_rows_its_metric_is_unfit() -> None:
    run = MetricRun("squad_f1", references=(), normal_form="verbatim")
    run.take([Scored(str(at), Outcome.OK, "A", ("A",), str(at)) for at in range(3)])

    assert run.score().caution.startswith("3 of 3 rows: SQuAD's normalisation, made")


def test_scores_of_other_signatures_refuse_to_be_compared() -> None:
    check_signatures({"a": "bleu|v1", "b": "bleu|v1", "old": None})
    with pytest.raises(Conflict) as caught:
        check_signatures({"a": "bleu|v1", "b": "bleu|v2"})
    assert caught.value.code == "signatures_differ"
    assert "b: bleu|v2" in caught.value.message
