"""What a prepare spec must be, and what is checked before a job is written."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.database import Sessions
from service.datasets.operations import check_source
from service.datasets.queries import list_datasets
from service.datasets.refusals import check_synthetic_rows
from service.datasets.schemas import PrepareSpec
from service.errors import Invalid, NotFound
from service.ids import Prefix, new_id
from tests.service.datasets.preparation import (
    SMALL,
    CountingStore,
    reserve,
    upload,
)
from tests.support.runs import add_project

HUB = {"type": "hub", "repo": "someone/rows", "revision": "0123456789abcdef" * 2 + "01234567"}
MISSING = {"type": "file", "file_id": new_id(Prefix.FILE)}


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"preset": "generic"}, "template_required", "/spec/template"),
        ({"columns": {"label": "x"}}, "unknown_column", "/spec/columns/label"),
        ({"source": MISSING}, "input_not_found", "/spec/source/file_id"),
        ({"source": {"type": "gs", "uri": "gs://b"}}, "invalid_uri", "/spec/source/uri"),
        (
            {"source": {"type": "gs", "uri": "gs://bucket/a.xls"}},
            "unknown_format",
            "/spec/source/uri",
        ),
        *(
            ({"source": {"type": "gs", "uri": uri}}, "invalid_uri", "/spec/source/uri")
            for uri in (
                "file:///etc/passwd",
                "/etc/passwd",
                "http://169.254.169.254/latest/meta-data/rows.csv",
                "https://10.0.0.1/rows.csv",
                "s3://bucket/rows.csv",
                "gs://user@10.0.0.1:80/rows.csv",
            )
        ),
        (
            {"source": {**HUB, "files": ["../../etc/passwd"]}},
            "unsafe_path",
            "/spec/source/files",
        ),
        ({"test_source": MISSING}, "input_not_found", "/spec/test_source/file_id"),
        (
            {"validation_source": {"type": "gs", "uri": "gs://b"}},
            "invalid_uri",
            "/spec/validation_source/uri",
        ),
        ({"preset": "classification"}, "labels_required", "/spec/labels"),
        ({"preset": "squad", "labels": ["a"]}, "labels_not_allowed", "/spec/labels"),
        ({"form": "messages"}, "form_not_allowed", "/spec/form"),
        (
            {"definition": {"name": "mine", "text": "{{a}}", "target": "{{b}}"}},
            "definition_not_allowed",
            "/spec/definition",
        ),
    ],
)
def test_a_spec_that_cannot_be_done_is_refused_at_submission(
    sessions: Sessions, project_id: str, changes: dict[str, Any], code: str, pointer: str
) -> None:
    with pytest.raises((Invalid, NotFound)) as raised:
        reserve(sessions, project_id, **changes)

    assert raised.value.code == code
    assert [fault.pointer for fault in raised.value.faults] == [pointer]
    assert list_datasets(project_id, after=None, limit=5, sessions=sessions) == []


def test_a_file_of_another_project_is_not_found(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    file_id = upload(b"text\na\n", sessions, store, add_project(sessions))

    with pytest.raises(NotFound):
        reserve(sessions, project_id, source={"type": "file", "file_id": file_id})


def test_faults_of_a_spec_inside_another_point_there(sessions: Sessions, project_id: str) -> None:
    for name in ("source", "test_source", "validation_source"):
        spec = PrepareSpec.model_validate(SMALL | {name: MISSING})

        with sessions.reading() as session, pytest.raises(NotFound) as raised:
            check_source(session, spec, project_id=project_id, pointer="/spec/prepare")

        assert [each.pointer for each in raised.value.faults] == [f"/spec/prepare/{name}/file_id"]


@pytest.mark.parametrize(
    "changes",
    [
        {"test_size": 0},
        {"train_sizes": []},
        {"train_sizes": [0]},
        {"train_sizes": [200, 50]},
        {"source": {"type": "http", "url": "x"}},
        {"source": {"type": "file", "file_id": "../x"}},
        {"source": {"type": "synthetic", "rows": 10**9}},
        {"template": {"text": "no placeholder", "target": "{{a}}"}},
        {"unknown": 1},
        {"source": {**HUB, "revision": "main"}},
        {"source": {**HUB, "trust_remote_code": True}},
        {"source": {"type": "file", "file_id": MISSING["file_id"], "format": {"name": "xls"}}},
        {"source": {"type": "file", "file_id": MISSING["file_id"], "format": {"delimiter": "a"}}},
        {"preset": "extraction", "target_schema": {"$ref": "http://127.0.0.1/x"}},
        {"preset": "generic", "definition": "!!python/name:os.system"},
    ],
)
def test_a_spec_of_the_wrong_shape_is_refused_by_the_schema(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PrepareSpec.model_validate(SMALL | changes)


def test_more_rows_to_train_on_than_are_made_up_are_refused_by_their_place() -> None:
    spec = PrepareSpec.model_validate(SMALL | {"train_sizes": [50, 2000], "test_size": 50})
    check_synthetic_rows(5000, spec)
    with pytest.raises(Invalid) as caught:
        check_synthetic_rows(200, spec)
    assert [each.pointer for each in caught.value.faults] == ["/spec/train_sizes/1"]


def test_the_examples_of_the_schema_are_valid_and_presets_are_listed() -> None:
    schema = PrepareSpec.model_json_schema()

    for example in schema["examples"]:
        PrepareSpec.model_validate(example)
    assert schema["properties"]["preset"]["enum"] == [
        "pii",
        "squad",
        "sentiment",
        "generic",
        "classification",
        "extraction",
    ]
