"""An evaluation's rows over HTTP: filters, schema, manifest, confusion matrix."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from service.evaluation.models import Evaluation
from service.evaluation.scoring.confusion import ConfusionCounts
from tests.api.outputs import finished_evaluation, prepared_dataset
from tests.api.problems import problem_of
from tests.api.server import Api, Caller


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
