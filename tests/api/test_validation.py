"""What a request must be: each fault is named with its place."""

import re
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.api.problems import problem_of
from tests.api.server import PREPARE, Caller, Json
from tests.support.logs import captured_logs

CANARY = "canary-4111111111111111"


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """One database is enough: nothing here gets as far as it."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}"


def _pointers(problem: Json) -> dict[str, str]:
    return {fault["pointer"]: fault["code"] for fault in problem["errors"]}


def test_an_unknown_kind_names_the_known_ones(caller: Caller) -> None:
    problem = problem_of(
        caller.post("/v1/jobs", {"kind": CANARY, "spec": {}}), 422, "validation_failed"
    )

    assert _pointers(problem) == {"/kind": "unknown_kind"}
    for kind in ("prepare", "tune", "poll", "evaluate", "experiment"):
        assert kind in problem["detail"]
    assert CANARY not in str(problem)


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"/kind": "unknown_kind"}),
        ([], {"": "model_attributes_type"}),
        ({"kind": "tune"}, {"/spec": "missing"}),
        (
            {"kind": "tune", "spec": {"dataset": "x", "extra": 1}},
            {
                "/spec/dataset": "string_pattern_mismatch",
                "/spec/train_size": "missing",
                "/spec/extra": "extra_forbidden",
            },
        ),
        (
            {"kind": "prepare", "spec": {**PREPARE, "train_sizes": [20, "many"]}},
            {"/spec/train_sizes/1": "int_parsing"},
        ),
        (
            {"kind": "prepare", "spec": {**PREPARE, "test_size": 0}},
            {"/spec/test_size": "greater_than_equal"},
        ),
        (
            {"kind": "prepare", "spec": {**PREPARE, "source": {"type": "file", "file_id": "x"}}},
            {"/spec/source/file_id": "string_pattern_mismatch"},
        ),
        (
            {"kind": "prepare", "spec": {**PREPARE, "source": {"type": "disk"}}},
            {"/spec/source/type": "unknown_type"},
        ),
        ({"kind": "prepare", "spec": PREPARE, "budget": 1}, {"/budget": "extra_forbidden"}),
    ],
)
def test_each_fault_has_its_place_in_the_body(
    caller: Caller, body: Any, faults: dict[str, str]
) -> None:
    problem = problem_of(caller.post("/v1/jobs", body), 422, "validation_failed")

    assert _pointers(problem) == faults


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({}, "/kind", "this is required; known: prepare, tune, poll, evaluate, experiment"),
        ({"kind": "prepar", "spec": {}}, "/kind", "did you mean `prepare`?"),
        ([], "", "give an object: named fields in braces"),
        ({"kind": "tune"}, "/spec", "this is required"),
        ({"kind": "experiment", "spec": {"prepare": PREPARE, "shot": 3}}, "/spec/shot", "`shots`"),
        (
            {"kind": "prepare", "spec": {**PREPARE, "train_sizes": "50,200"}},
            "/spec/train_sizes",
            "give a list in square brackets",
        ),
        (
            {"kind": "prepare", "spec": {**PREPARE, "source": {"type": "synthetc"}}},
            "/spec/source/type",
            "did you mean `synthetic`?",
        ),
        (
            {"kind": "prepare", "spec": {**PREPARE, "source": {"type": "file", "file_id": "x"}}},
            "/spec/source/file_id",
            "an id such as `file_01",
        ),
        (
            {"kind": "prepare", "spec": PREPARE, "labels": {"Team": "x"}},
            "/labels/Team",
            "lower-case letters",
        ),
        (
            {"kind": "tune", "spec": {"dataset": "x"}, "budget": {"amount": "ten"}},
            "/budget/amount",
            "such as `1.50`",
        ),
        ({"kind": "prepare", "spec": {**PREPARE, "preset": "piii"}}, "/spec/preset", "`pii`?"),
    ],
)
def test_a_fault_is_said_in_words_for_people(
    caller: Caller, body: Any, pointer: str, words: str
) -> None:
    problem = problem_of(caller.post("/v1/jobs", body), 422, "validation_failed")

    [message] = [each["message"] for each in problem["errors"] if each["pointer"] == pointer]
    assert words in message
    assert not re.search(r"valid (dictionary|tuple|string)|pattern|\^|Input", message)


def test_all_faults_are_reported_at_once_and_each_once(caller: Caller) -> None:
    spec = {**PREPARE, "preset": "piii", "test_size": 0, "seed": "a"}
    problem = problem_of(
        caller.post("/v1/jobs", {"kind": "prepare", "spec": spec}), 422, "validation_failed"
    )

    assert list(_pointers(problem)) == ["/spec/preset", "/spec/test_size", "/spec/seed"]
    for fault in problem["errors"]:
        assert fault["message"] not in problem["detail"]


@pytest.mark.parametrize(
    ("path", "pointer", "words"),
    [
        ("/v1/jobs?starting_after=x", "starting_after", "known: after, kind"),
        ("/v1/jobs?stat=failed", "stat", "did you mean `state`?"),
        ("/v1/me?verbose=1", "verbose", "there are none here"),
        (f"/v1/datasets/ds_{'0' * 26}/rows?serch=a", "serch", "did you mean `search`?"),
    ],
)
def test_a_parameter_that_there_is_not_is_refused(
    caller: Caller, path: str, pointer: str, words: str
) -> None:
    problem = problem_of(caller.get(path), 422, "unknown_parameter")

    assert list(_pointers(problem)) == [pointer]
    assert words in problem["detail"]


def test_probes_may_add_parameters_of_their_own(caller: Caller) -> None:
    assert caller.get("/healthz?probe=1").status_code == 200


def test_a_label_is_asked_for_as_it_is_given(caller: Caller) -> None:
    job = caller.submit("prepare", PREPARE, labels={"team": "growth"})

    for label in ("team:growth", "team=growth"):
        found = caller.get("/v1/jobs", params={"label": label}).json()["data"]
        assert [each["id"] for each in found] == [job["id"]]


@pytest.mark.parametrize("dry_run", ["false", "true"])
def test_what_a_dataset_will_never_hold_is_refused_at_submission(
    caller: Caller, dry_run: str
) -> None:
    dataset = caller.submit("prepare", PREPARE)["outputs"]["dataset"]
    bodies = {
        "/spec/train_size": {"kind": "tune", "spec": {"dataset": dataset, "train_size": 30}},
        "/spec/train_sizes/1": {
            "kind": "experiment",
            "spec": {"dataset": dataset, "train_sizes": [20, 30]},
        },
    }

    for pointer, body in bodies.items():
        answer = caller.post("/v1/jobs", body, params={"dry_run": dry_run})
        problem = problem_of(answer, 422, "unknown_train_size")
        assert list(_pointers(problem)) == [pointer]
        assert "it has: 20, 40" in problem["detail"]


def test_made_up_rows_go_with_a_preset_that_reads_them(caller: Caller) -> None:
    prepare = {**PREPARE, "preset": "sentiment"}
    answer = caller.post("/v1/jobs", {"kind": "experiment", "spec": {"prepare": prepare}})

    problem = problem_of(answer, 422, "missing_column")
    assert list(_pointers(problem)) == ["/spec/prepare/source/type"]
    assert "use the preset 'pii'" in problem["detail"]


def test_an_unknown_preset_names_the_known_ones(caller: Caller) -> None:
    answer = caller.post("/v1/jobs", {"kind": "prepare", "spec": {**PREPARE, "preset": "nope"}})

    problem = problem_of(answer, 422, "validation_failed")
    assert _pointers(problem) == {"/spec/preset": "unknown_preset"}
    assert "pii" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/jobs?limit=0", "limit"),
        ("/v1/jobs?limit=101", "limit"),
        ("/v1/jobs?after=job_1", "after"),
        ("/v1/jobs?state=done", "state/0"),
        ("/v1/jobs?kind=dance", "kind/0"),
        ("/v1/jobs?label=team", "label"),
        ("/v1/jobs?label=team:%00", "label"),
        ("/v1/jobs/job_1", "job_id"),
        ("/v1/events?after=-1", "after"),
        (f"/v1/events?after={2**64}", "after"),
        ("/v1/events?type=job.danced", "type/0"),
        (f"/v1/datasets/ds_{'0' * 26}/content?format=xls", "format"),
        (f"/v1/experiments/exp_{'0' * 26}/content?format=pdf", "format"),
    ],
)
def test_a_wrong_parameter_is_named(caller: Caller, path: str, pointer: str) -> None:
    problem = problem_of(caller.get(path), 422, "validation_failed")

    assert list(_pointers(problem)) == [pointer]


@pytest.mark.parametrize(
    "labels",
    [{"a\0": "b"}, {"a": "b\0"}, {"": "b"}, {"a": ""}, {"a": "b:c"}, {"a": "\ud800"}, {"a": 1}],
)
def test_labels_that_no_database_keeps_are_refused(caller: Caller, labels: Json) -> None:
    body = {"kind": "prepare", "spec": PREPARE, "labels": labels}

    problem_of(caller.post("/v1/jobs", body), 422, "validation_failed")


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "a\0b"},
        {"name": "\ud800"},
        {"columns": {"a\0": "b"}},
        {"source": {"type": "gs", "uri": "gs://bucket/\0"}},
        {"test_size": 1 << 70},
    ],
)
def test_a_spec_that_no_database_keeps_is_refused(caller: Caller, spec: Json) -> None:
    answer = caller.post("/v1/jobs", {"kind": "prepare", "spec": {**PREPARE, **spec}})

    problem_of(answer, 422, "validation_failed")


def test_what_is_of_none_of_two_kinds_is_named_by_its_own_place(caller: Caller) -> None:
    path = f"/v1/evaluations/eval_{'0' * 26}/verdicts"
    body = {"data": [{"example_id": "a", "verdict": "good"}, {"example_id": "a", "verdict": {}}]}
    problem = problem_of(caller.post(path, body), 422, "validation_failed")
    assert {each["pointer"] for each in problem["errors"]} == {
        "/data/0/verdict",
        "/data/1/verdict",
    }


ENDLESS = {
    "NaN": "NaN",
    "infinity": "-Infinity",
    "more than a double": "1e400",
    "10,000 digits": "9" * 10_000,
    "lists 960 deep": "[" * 960 + "]" * 960,
    "objects 100,000 deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
}


@pytest.mark.parametrize("endless", ENDLESS)
def test_what_no_json_holds_is_refused_by_every_operation(caller: Caller, endless: str) -> None:
    """Wherever it stands, and the log says little of it."""
    there = ENDLESS[endless]
    bodies = (there, f'{{"kind": "prepare", "spec": {{"test_size": {there}}}, "text": {there}}}')
    operations = [
        (method, re.sub(r"{(\w+)}", _some_id, path))
        for path, methods in caller.get("/openapi.json").json()["paths"].items()
        for method, operation in methods.items()
        if "application/json" in operation.get("requestBody", {}).get("content", ())
        and path != "/v1/files"  # a file may be anything
    ]
    assert len(operations) > 10
    with captured_logs() as logs:
        for (method, path), body in product(operations, bodies):
            sent = {"content": body, "headers": {"Content-Type": "application/json"}}
            status = caller.request(method.upper(), path, **sent).status_code
            assert 400 <= status < 500, (method, path, status)
    assert max(len(str(each)) for each in logs) < 1_000


def _some_id(parameter: re.Match[str]) -> str:
    """Return an id that is of no object, in the form that a path's parameter has."""
    prefixes = {"evaluation": "eval", "webhook": "wh", "project": "proj"}
    names = {"alias": "pii@best", "location": "us", "base_model": "gemini-3.1-flash-lite"}
    noun = parameter[1].removesuffix("_id")
    return names.get(noun, f"{prefixes.get(noun, noun)}_{'0' * 26}")
