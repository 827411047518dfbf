"""What a file holds, over HTTP, and a dry run with a `prepare` inside."""

import csv
import io
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.api.problems import problem_of
from tests.api.server import Caller

LABELS = ("positive", "negative", "neutral")
ROWS = [
    {
        "tweet": f"My parcel {number} for Ann Muster came {number} days late",
        "label": LABELS[number % 3],
    }
    for number in range(400)
]


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """One database: what a file holds does not depend on it, and each preview is a process."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}"


def as_csv(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def uploaded(caller: Caller, content: bytes, media_type: str = "text/csv") -> str:
    file_id: str = caller.upload(content, media_type).json()["id"]
    return file_id


def previewed(caller: Caller, file_id: str) -> dict[str, Any]:
    answer = caller.get(f"/v1/files/{file_id}/preview")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_file_is_previewed_without_a_word_of_its_data(caller: Caller) -> None:
    rows = as_csv(ROWS) + b"one,two,three\r\n"

    found = previewed(caller, uploaded(caller, rows))

    columns = {each["name"]: (each["type"], each["distinct"]) for each in found["columns"]}
    assert columns == {"tweet": ("text", 400), "label": ("text", 3)}
    assert "Muster" not in json.dumps(found)
    assert found["first_rows"][0]["tweet"].startswith("x parcel 0 for x x came")
    assert [(each["row"], each["code"]) for each in found["faults"]] == [(401, "ragged_row")]
    fits = {each["preset"]: each for each in found["presets"]}
    assert fits["sentiment"]["fits"]
    assert fits["sentiment"]["columns"] == {"text": "tweet", "sentiment": "label"}
    assert fits["classification"]["labels"] == sorted(LABELS)
    assert not fits["squad"]["fits"]
    assert "`context`" in fits["squad"]["why"]
    estimate = found["estimate"]
    assert (estimate["rows"], estimate["rows_exact"]) == (401, True)
    assert 0.5 < estimate["tokens"] / (len(as_csv(ROWS)) / 4) < 1.5
    assert Decimal(estimate["training_dollars"]) > 0


def test_the_rows_of_a_large_file_are_estimated_from_its_head(caller: Caller) -> None:
    lines = [json.dumps({"text": f"sentence {number} " * 12}) for number in range(20_000)]

    found = previewed(caller, uploaded(caller, "\n".join(lines).encode(), "application/x-ndjson"))

    assert found["rows_read"] == 1000
    assert not found["estimate"]["rows_exact"]
    assert 0.95 < found["estimate"]["rows"] / 20_000 < 1.05
    assert found["faults"] == []


def test_parquet_is_previewed(caller: Caller) -> None:
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(ROWS), file)

    found = previewed(caller, uploaded(caller, file.getvalue(), "application/octet-stream"))

    assert found["format"] == "parquet"
    assert found["estimate"]["rows"] == 400


def test_a_file_that_cannot_be_read_says_why(caller: Caller) -> None:
    answer = caller.get(f"/v1/files/{uploaded(caller, b'{', 'application/json')}/preview")

    problem_of(answer, 422, "invalid_json")


def experiment(source: dict[str, Any], **prepare: Any) -> dict[str, Any]:
    made = {"preset": "sentiment", "source": source, "train_sizes": [50], "test_size": 40}
    return {"kind": "experiment", "spec": {"prepare": made | prepare, "shots": 0}}


def planned(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
    answer = caller.post("/v1/jobs?dry_run=true", body)
    assert answer.status_code == 200, answer.text
    plan: dict[str, Any] = answer.json()
    return plan


def test_a_dry_run_with_a_dataset_to_be_made_gives_numbers(caller: Caller) -> None:
    source = {"type": "file", "file_id": uploaded(caller, as_csv(ROWS))}
    renamed = {"text": "tweet", "sentiment": "label"}

    plan = planned(caller, experiment(source, columns=renamed))

    assert plan["estimate"]["requests"] == 2 * 40  # zero-shot and tuned
    assert plan["estimate"]["training_tokens"] > 50 * 10
    assert Decimal(plan["cost"]["amount"]) > 0
    notes = {each["code"]: each["message"] for each in plan["warnings"]}
    assert "400 of 400 rows" in notes["estimated_from_source"]
    assert "dataset_not_ready" not in notes


def test_a_dry_run_tells_that_rows_would_be_refused(caller: Caller) -> None:
    rows = [*ROWS, {"tweet": "late", "label": "angry"}]
    source = {"type": "file", "file_id": uploaded(caller, as_csv(rows))}
    renamed = {"text": "tweet", "sentiment": "label"}

    plan = planned(caller, experiment(source, columns=renamed, train_sizes=[500]))

    notes = {each["code"]: each["message"] for each in plan["warnings"]}
    assert notes["rows_refused"].endswith("unknown_label 1")
    assert "540 rows are asked for" in notes["too_few_rows"]


def test_a_dry_run_with_made_up_rows_gives_numbers(caller: Caller) -> None:
    source = {"type": "synthetic", "rows": 300, "seed": 1}

    plan = planned(caller, experiment(source, preset="pii"))

    assert Decimal(plan["cost"]["amount"]) > 0


@pytest.mark.parametrize(
    "source",
    [
        {"type": "gs", "uri": "gs://a-bucket/rows.csv"},
        {"type": "hub", "repo": "owner/rows", "revision": "a" * 40},
    ],
)
def test_a_dry_run_of_rows_elsewhere_says_how_to_get_numbers(
    source: dict[str, Any], caller: Caller
) -> None:
    plan = planned(caller, experiment(source))

    notes = {each["code"]: each["message"] for each in plan["warnings"]}
    assert plan["cost"] is None
    assert "run `prepare` first" in notes["source_read_by_job"]
