"""What a source is refused for: faults of rows come first, and no data are repeated."""

import json
from typing import Any

import pytest

from service.database import Sessions
from service.errors import Invalid
from tests.service.datasets.preparation import CountingStore, go, reserve, upload

SPEC: dict[str, Any] = {"preset": "sentiment", "train_sizes": [10], "test_size": 5}


ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def refusal(sessions: Sessions, store: CountingStore, project_id: str) -> Any:
    def refuse(data: bytes, name: str, **changes: Any) -> Invalid:
        file_id = upload(data, sessions, store, project_id, format=name)
        source = {"type": "file", "file_id": file_id}
        with pytest.raises(Invalid) as raised:
            go(reserve(sessions, project_id, source=source, **SPEC | changes), store)
        return raised.value

    return refuse


@ONE
@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b'{\n  "text": "fine",\n  "sentiment": "positive"\n}\n' * 3, "jsonl", "invalid_json_row"),
        (b'[{"text": "fine", "sentiment": "positive"}]\n', "jsonl", "invalid_json_row"),
        (b"text,sentiment\n" + b"fine, really,positive\n" * 3, "csv", "ragged_row"),
        (b"text,sentiment,\n" + b"fine,positive\n" * 3, "csv", "ragged_row"),
    ],
)
def test_faults_of_rows_are_shown_where_no_row_is_good(
    refusal: Any,
    data: bytes,
    name: str,
    code: str,
) -> None:
    error = refusal(data, name)

    assert error.code == code
    assert error.faults[0].pointer == "row 1"


@ONE
@pytest.mark.parametrize(
    "first",
    [
        "Bea Sample 4 Harbour Lane +00 111 2223334,positive",
        "Bea,positive",
        "bea@example.com,Bea",
        "The boat came back at last.,glad",
    ],
)
def test_a_first_line_of_data_is_not_repeated(refusal: Any, first: str) -> None:
    error = refusal(f"{first}\nfine,positive\n".encode(), "csv")

    said = error.message + "".join(fault.message for fault in error.faults)
    assert error.code == "missing_column"
    assert "`columns` of the format" in said
    assert not any(word in said for word in ("Bea", "bea", "boat"))


@ONE
def test_names_of_columns_and_faults_of_rows_are_both_reported(refusal: Any) -> None:
    error = refusal(b"tweet,sentiment\nfine,positive\nbad,really,negative\n", "csv")

    assert "known: tweet, sentiment" in error.message
    assert [fault.code for fault in error.faults] == ["missing_column", "ragged_row"]


@ONE
def test_why_no_row_can_be_used_is_reported(refusal: Any) -> None:
    rows = [{"context": "c", "question": "q", "answers": []}] * 6 + [
        {"context": "c", "question": "q", "answers": ""}
    ]

    error = refusal("\n".join(map(json.dumps, rows)).encode(), "jsonl", preset="squad")

    assert error.code == "no_rows"
    assert "7 rows have no answer" in error.message
    assert [fault.pointer for fault in error.faults] == [f"row {n}" for n in range(1, 6)]


@pytest.mark.parametrize(
    ("data", "hidden"),
    [
        (b"Ann Muster,glad\nBo Beispiel,glad\n", "Ann"),
        (b"Ann,glad\nBo,sad\nCy,glad\n", "Ann"),
        (b"Ann Muster,Ulm am See\nBo Beispiel,Bonn\n", "Muster"),
    ],
)
@ONE
def test_a_name_in_a_first_line_is_not_repeated(refusal: Any, data: bytes, hidden: str) -> None:
    error = refusal(data, "csv")

    assert error.code == "missing_column"
    assert hidden not in error.message
    assert not any(hidden in fault.message for fault in error.faults)
