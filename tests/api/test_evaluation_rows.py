"""An evaluation's rows over HTTP: filters, schema, manifest, confusion matrix."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from service.evaluation.generation_schemas import RubricJudge
from service.evaluation.judges.reports import JudgeRows
from service.evaluation.models import Evaluation
from service.evaluation.scoring.confusion import ConfusionCounts
from service.evaluation.scoring.row_table import table_schema
from tests.api.outputs import answer_row, finished_evaluation, prepared_dataset, stored_table
from tests.api.problems import problem_of
from tests.api.server import Api, Caller
from tunecurve import Client
from tunecurve.cli import app


@pytest.fixture
def path(api: Api, caller: Caller) -> str:
    dataset = prepared_dataset(api, caller)["id"]
    return f"/v1/evaluations/{finished_evaluation(api, caller, dataset)}"


def test_rows_are_filtered_and_pages_keep_the_filter(caller: Caller, path: str) -> None:
    def positions(**filters: str) -> list[int]:
        page = caller.get(f"{path}/rows", params=filters).json()
        return [row["position"] for row in page["data"]]

    assert positions(outcome="ok") == [0, 1, 2]
    assert positions(outcome="failed") == []
    assert positions(group="group 1") == [1]
    assert positions(wrong="true") == [0, 2]
    assert positions(wrong="false") == [1]
    assert positions(finding="empty") == [2]
    assert positions(answer="=answer 2") == [2]
    assert positions(label="x") == []
    first = caller.get(f"{path}/rows", params={"wrong": "true", "limit": 1}).json()
    assert [row["position"] for row in caller.get(first["next"]).json()["data"]] == [2]


def test_the_manifest_and_the_matrix_are_served_and_older_evaluations_say_what_they_lack(
    api: Api, caller: Caller, path: str
) -> None:
    manifest = caller.get(f"{path}/manifest").json()
    assert (manifest["preset"], manifest["table_version"]) == ("pii", 2)
    problem_of(caller.get(f"{path}/schema"), 409, "earlier_version")
    problem_of(caller.get(f"{path}/confusion"), 409, "no_labels")

    counts = ConfusionCounts(["a", "b"])
    counts.add(["a"], "b")
    with api.services.sessions.transaction() as session:
        row = session.get_one(Evaluation, path.rpartition("/")[2])
        row.confusion = counts.matrix().model_dump()

    matrix = caller.get(f"{path}/confusion").json()
    assert matrix["cells"] == [{"expected": "a", "answered": "b", "rows": 1}]


def test_rows_follow_the_schema_that_is_served(api: Api, caller: Caller, path: str) -> None:
    setup: dict[str, Any] = {
        "instruction": "",
        "shot_selection": None,
        "shot_ids": [],
        "decoding": {
            "temperature": 0.0,
            "max_output_tokens": 1,
            "seed": 0,
            "samples": 1,
            "thinking": {},
            "not_sent": [],
            "response_format": None,
        },
        "answers": "text",
        "labels": [],
        "extraction": None,
        "normalisation": "verbatim",
        "normalisation_steps": [],
    }
    with api.services.sessions.transaction() as session:
        session.get_one(Evaluation, path.rpartition("/")[2]).setup = setup

    schema = caller.get(f"{path}/schema").json()
    rows = caller.get(f"{path}/rows").json()["data"]

    for row in rows:
        del row["object"]
        Draft202012Validator(schema).validate(row)
    assert caller.get(path).json()["setup"] == setup
    assert caller.get(f"{path}/manifest").json()["table_version"] == 3


def test_verdicts_of_people_are_put_and_listed_by_all_three_doors(
    api: Api, caller: Caller, path: str, tmp_path: Path
) -> None:
    evaluation = path.rpartition("/")[2]
    problem_of(caller.get(f"{path}/verdicts"), 409, "no_judge")
    _judged(api, evaluation)

    body = {"data": [{"example_id": "ex_0", "verdict": 2}]}
    report = caller.post(f"{path}/verdicts", body).json()
    assert (report["calibration"]["rows"], report["calibration"]["same"]) == (1, 0)
    unknown = {"data": [*body["data"], {"example_id": "ex_9", "verdict": 2}]}
    problem = problem_of(caller.post(f"{path}/verdicts", unknown), 422, "verdicts_invalid")
    assert [each["pointer"] for each in problem["errors"]] == ["/data/1/example_id"]

    with Client(api.url, caller.secret) as client:
        given = {"example_id": "ex_1", "verdict": 5, "rater": "ann"}
        assert client.put_verdicts(evaluation, [given])["calibration"]["raters"] == 2
        assert [each["verdict"] for each in client.verdicts(evaluation)] == [2, 5]

    file = tmp_path / "labels.csv"
    file.write_text("example_id,verdict,rater\nex_0,1,\nex_2,1,bo\n")
    env = {"TUNECURVE_URL": api.url, "TUNECURVE_KEY": caller.secret}
    put, listed = (
        CliRunner().invoke(app, ["verdicts", evaluation, *more], env=env)
        for more in ([str(file)], ["--output", "json"])
    )
    assert put.exit_code == 0, put.output
    assert '"rater": "bo"' in listed.output
    rows = caller.get(f"{path}/verdicts").json()["data"]
    assert [(row["rater"], row["verdict"], row["judge"]) for row in rows] == [
        ("", 1, 0.0),
        ("ann", 5, 100.0),
        ("bo", 1, 0.0),
    ]
    stored = caller.get(path).json()["judge"]["calibration"]
    assert (stored["rows"], stored["raters"], stored["same"]) == (3, 3, 1)


def _judged(api: Api, evaluation: str) -> None:
    """Let the answers have been judged: the right one with the best grade."""
    rows = [answer_row(evaluation, position, metric="judge_score") for position in range(3)]
    judge = RubricJudge(rubric="Good answers are right.", model="gemini-3.5-flash")
    taken = JudgeRows(judge, families=("gemini", "gemini"))
    for number, row in enumerate(rows):
        place = round(row["scores"]["judge_score"] / 25)
        taken.add([place, place], length=len(row["answer"]), group=number)
    key = stored_table(
        api, rows, schema=table_schema(["judge_score"]), key=f"evaluations/{evaluation}.judged"
    )
    with api.services.sessions.transaction() as session:
        stored = session.get_one(Evaluation, evaluation)
        stored.table_key, stored.judge = key, taken.report().model_dump(mode="json")
