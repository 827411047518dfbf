"""What jobs make, over HTTP: datasets, models, evaluations, experiments."""

import csv
import io
import json

import pytest

from service.storage.tables import read_parquet
from service.tuning.curves.records import record_metrics
from service.tuning.ports import MetricPoint, MetricSeries
from tests.api.outputs import (
    add_archive,
    finished_evaluation,
    finished_experiment,
    prepared_dataset,
)
from tests.api.problems import problem_of
from tests.api.server import PREPARE, Api, Caller


def test_an_output_is_creating_until_its_job_ends(caller: Caller) -> None:
    prepare = caller.submit("prepare", PREPARE)
    dataset = prepare["outputs"]["dataset"]
    made = {
        "datasets": prepare,
        "models": caller.submit("tune", {"dataset": dataset, "train_size": 20}),
        "evaluations": caller.submit("evaluate", {"dataset": dataset, "variant": "zero_shot"}),
        "experiments": caller.submit("experiment", {"dataset": dataset}),
    }
    for collection, job in made.items():
        (output,) = job["outputs"].values()
        shown = caller.get(f"/v1/{collection}/{output}").json()
        assert (shown["state"], shown["job"], shown["ready_at"]) == ("creating", job["id"], None)

        caller.post(f"/v1/jobs/{job['id']}/cancel")

        assert caller.get(f"/v1/{collection}/{output}").json()["state"] == "failed"
        (listed,) = caller.get(f"/v1/{collection}").json()["data"]
        assert (listed["id"], listed["state"]) == (output, "failed")


def test_what_is_not_ready_has_neither_rows_nor_content(caller: Caller) -> None:
    dataset = caller.submit("prepare", PREPARE)["outputs"]["dataset"]
    evaluate = caller.submit("evaluate", {"dataset": dataset, "variant": "zero_shot"})
    evaluation = evaluate["outputs"]["evaluation"]
    experiment = caller.submit("experiment", {"dataset": dataset})["outputs"]["experiment"]

    for path in (
        f"datasets/{dataset}/rows",
        f"datasets/{dataset}/content",
        f"evaluations/{evaluation}/rows",
        f"evaluations/{evaluation}/content",
        f"experiments/{experiment}/content",
    ):
        problem_of(caller.get(f"/v1/{path}"), 409, "not_ready")
    for path in (f"datasets/{dataset}", f"evaluations/{evaluation}", f"experiments/{experiment}"):
        problem_of(caller.delete(f"/v1/{path}"), 409, "not_ready")


def test_a_finished_dataset_is_shown_read_and_deleted(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)
    path = f"/v1/datasets/{dataset['id']}"

    assert dataset["state"] == "ready"
    assert dataset["splits"]["test"]["rows"] == PREPARE["test_size"]
    first = caller.get(f"{path}/rows", params={"split": "test", "limit": 20}).json()
    second = caller.get(first["next"]).json()
    rows = first["data"] + second["data"]
    assert [row["position"] for row in rows] == list(range(PREPARE["test_size"]))
    assert not second["has_more"]

    parquet = caller.get(f"{path}/content").content
    stored = list(read_parquet(io.BytesIO(parquet)))
    lines = caller.get(f"{path}/content", params={"format": "jsonl"})
    table = caller.get(f"{path}/content", params={"format": "csv"})
    assert [row["id"] for row in stored if row["split"] == "test"] == [row["id"] for row in rows]
    assert [json.loads(line)["id"] for line in lines.iter_lines()] == [row["id"] for row in stored]
    assert len(list(csv.DictReader(io.StringIO(table.text)))) == len(stored)
    assert lines.headers["X-Content-Type-Options"] == "nosniff"
    part = caller.get(f"{path}/content", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"PAR1")

    held = caller.get(f"{path}/content", params={"format": "jsonl", "split": "test"})
    assert [json.loads(line)["id"] for line in held.iter_lines()] == [row["id"] for row in rows]
    refused = caller.get(f"{path}/content", params={"split": "test"})
    problem_of(refused, 422, "split_not_allowed")

    assert caller.delete(path).status_code == 200
    problem_of(caller.get(path), 404, "dataset_not_found")


def test_a_dataset_is_exported_as_training_lines_without_its_test(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)
    path = f"/v1/datasets/{dataset['id']}/content"
    said = json.dumps(dataset["instruction"])[1:-1]
    members = {"messages": "messages", "openai": "messages", "text_input_output": "text_input"}

    for form, member in {"contents": "contents", **members}.items():
        answer = caller.get(path, params={"format": form})
        held = caller.get(path, params={"format": form, "split": "test"})

        lines = [json.loads(line) for line in answer.iter_lines()]
        assert len(lines) == dataset["splits"]["train"]["rows"]
        assert all(said in json.dumps(line[member]) for line in lines)
        assert len(list(held.iter_lines())) == dataset["splits"]["test"]["rows"]
        assert f'filename="{dataset["id"]}.{form}.jsonl"' in answer.headers["Content-Disposition"]


def test_a_dataset_in_use_stays(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)
    caller.submit("tune", {"dataset": dataset["id"], "train_size": 20})

    problem_of(caller.delete(f"/v1/datasets/{dataset['id']}"), 409, "in_use")


def test_a_dry_run_on_a_finished_dataset_counts_its_rows(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)["id"]

    evaluate = caller.post(
        "/v1/jobs?dry_run=true",
        {"kind": "evaluate", "spec": {"dataset": dataset, "variant": "zero_shot"}},
    ).json()
    experiment = caller.post(
        "/v1/jobs?dry_run=true",
        {"kind": "experiment", "spec": {"dataset": dataset, "shots": 0}},
    ).json()

    assert evaluate["estimate"]["requests"] == PREPARE["test_size"]
    assert experiment["estimate"]["requests"] == 3 * PREPARE["test_size"]
    assert {job["label"] for job in experiment["would_create"]} == {
        "experiment",
        "zero-shot",
        "tuned@20",
        "tuned@40",
    }


def test_a_finished_evaluation_is_shown_read_and_deleted(api: Api, caller: Caller) -> None:
    evaluation = finished_evaluation(api, caller, prepared_dataset(api, caller)["id"])
    path = f"/v1/evaluations/{evaluation}"

    shown = caller.get(path).json()
    assert (shown["state"], shown["metrics"][0]["value"]) == ("ready", 0.5)
    first = caller.get(f"{path}/rows", params={"limit": 2}).json()
    second = caller.get(first["next"]).json()
    assert [row["position"] for row in first["data"] + second["data"]] == [0, 1, 2]
    assert first["data"][0]["prediction"] == "=answer 0"
    lines = caller.get(f"{path}/content", params={"format": "jsonl"}).text.splitlines()
    assert [json.loads(line)["prediction"] for line in lines] == [
        "=answer 0",
        "=answer 1",
        "=answer 2",
    ]
    table = caller.get(f"{path}/content", params={"format": "csv"})
    assert "'=answer 0" in table.text  # a spreadsheet must not take it for a formula
    part = caller.get(f"{path}/content", headers={"Range": "bytes=-4"})
    assert (part.status_code, part.content) == (206, b"PAR1")

    assert caller.delete(path).status_code == 200
    problem_of(caller.get(path), 404, "evaluation_not_found")


def test_a_finished_experiment_is_shown_read_and_deleted(api: Api, caller: Caller) -> None:
    experiment = finished_experiment(api, caller, prepared_dataset(api, caller)["id"])
    path = f"/v1/experiments/{experiment}"

    shown = caller.get(path).json()
    page = caller.get(f"{path}/content")
    curve = caller.get(f"{path}/content", params={"format": "json"})
    lines = caller.get(f"{path}/content", params={"format": "jsonl"})
    assert (shown["state"], shown["answer"]) == ("ready", "Tune.")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Disposition"].startswith("attachment")
    assert page.text.startswith("<!doctype html>")
    assert curve.json() == {"metric": "exact_match"}
    assert json.loads(lines.text)["name"] == "zero-shot"
    assert caller.get(f"{path}/content", params={"format": "parquet"}).content[:4] == b"PAR1"
    for missing in ("plots/curve.svg", "tables/variants.csv", "content?reveal=true"):
        problem_of(caller.get(f"{path}/{missing}"), 404, "report_file_not_found")
    add_archive(api, experiment, "tables/worst.csv", b"text\n")
    assert caller.get(f"{path}/tables/worst.csv").text == "text\n"
    reported = caller.get("/v1/audit").json()["data"][0]
    assert (reported["action"], reported["target"]) == (
        "getExperimentTable",
        f"{experiment} worst.csv",
    )

    assert caller.delete(path).status_code == 200
    problem_of(caller.get(path), 404, "experiment_not_found")


@pytest.mark.parametrize("collection", ["datasets", "models", "evaluations", "experiments"])
def test_outputs_are_listed_page_by_page(caller: Caller, collection: str) -> None:
    dataset = caller.submit("prepare", PREPARE)["outputs"]["dataset"]
    submissions = {
        "datasets": ("prepare", PREPARE),
        "models": ("tune", {"dataset": dataset, "train_size": 20}),
        "evaluations": ("evaluate", {"dataset": dataset, "variant": "zero_shot"}),
        "experiments": ("experiment", {"dataset": dataset}),
    }
    made = [dataset] if collection == "datasets" else []
    for _ in range(3 - len(made)):
        made += caller.submit(*submissions[collection])["outputs"].values()

    first = caller.get(f"/v1/{collection}", params={"limit": 2}).json()
    second = caller.get(first["next"]).json()

    assert [each["id"] for each in first["data"] + second["data"]] == made[::-1]
    assert not second["has_more"]


def test_training_curves_are_read_as_json_and_as_csv(api: Api, caller: Caller) -> None:
    dataset = caller.submit("prepare", PREPARE)["outputs"]["dataset"]
    tune = caller.submit("tune", {"dataset": dataset, "train_size": 20})
    points = [MetricPoint(MetricSeries.VALIDATION_LOSS, step, 1 / step) for step in (8, 4)]
    with api.services.sessions.transaction() as session:
        record_metrics(session, tune["id"], points)
    path = f"/v1/models/{tune['outputs']['model']}/curves"

    reported = caller.get(path).json()

    assert not reported["complete"]
    series = {"validation_loss": [{"step": 4, "value": 0.25}, {"step": 8, "value": 0.125}]}
    assert reported["series"] == series
    rows = list(csv.DictReader(io.StringIO(caller.get(f"{path}?format=csv").text)))
    assert [row["step"] for row in rows] == ["4", "8"]
    assert {row["series"] for row in rows} == {"validation_loss"}
    problem_of(
        caller.get("/v1/models/model_00000000000000000000000000/curves"), 404, "model_not_found"
    )
