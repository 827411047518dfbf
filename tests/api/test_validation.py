"""What a request must be: each fault is named with its place."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.api.problems import problem_of
from tests.api.server import PREPARE, Caller, Json

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


def test_an_unknown_preset_names_the_known_ones(caller: Caller) -> None:
    answer = caller.post("/v1/jobs", {"kind": "prepare", "spec": {**PREPARE, "preset": "nope"}})

    problem = problem_of(answer, 422, "unknown_preset")
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
