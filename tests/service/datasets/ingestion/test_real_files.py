"""Real files of other people, each with its own oddities, staged whole."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.datasets.formats.options import FormatName, FormatOptions
from service.datasets.formats.read_context import IngestionLimits
from service.datasets.ingestion.staged_rows import StagedRows, stage_file, staged_rows
from service.datasets.sources.source import SourceFile
from tests.service.datasets.ingestion.files import as_parquet, staged
from tests.support.shared_data import shared_data


def staged_data(name: str, folder: Path, format_name: str, **options: Any) -> StagedRows:
    file = SourceFile([shared_data(name).read_bytes()], FormatName(format_name))
    given = FormatOptions(**options)
    return stage_file(file, folder=folder, limits=IngestionLimits(), options=given)


@pytest.mark.parametrize(
    ("name", "format_name", "rows", "columns"),
    [
        ("classification/banking77_train.csv.gz", "csv", 10_003, ("text", "category")),
        ("extraction/restaurant8k_train_0.json.gz", "json", 8198, None),
        ("extraction/nlupp_banking_shared.jsonl.gz", "jsonl", None, None),
        ("pii/presidio_synth_v2_shared_pairs.csv", "csv", 795, None),
        ("pii/presidio_generated_large_shared.jsonl", "jsonl", 1020, None),
        ("tweets/tweet_sentiment_extraction_shared.csv.gz", "csv", None, None),
        (
            "squad/squad_v1.1_dev_shared.json.gz",
            "json",
            None,
            ("title", "context", "question", "answers"),
        ),
        (
            "squad/squad_v2.0_cs224n_dev_shared.json.gz",
            "json",
            None,
            ("title", "context", "question", "answers"),
        ),
    ],
)
def test_real_files_are_staged_without_a_fault(
    name: str,
    format_name: str,
    rows: int | None,
    columns: tuple[str, ...] | None,
    tmp_path: Path,
) -> None:
    rows_staged = staged_data(name, tmp_path, format_name)

    assert rows_staged.faults == ()
    assert rows_staged.rows == rows_staged.source_rows
    assert rows_staged.rows == rows or (rows is None and rows_staged.rows > 500)
    assert columns is None or rows_staged.columns == columns


def test_tsv_without_a_header_and_with_quotes_that_mean_nothing(tmp_path: Path) -> None:
    rows_staged = staged_data(
        "classification/sst2_train.tsv.gz",
        tmp_path,
        "tsv",
        columns=("text", "label"),
        quoting=False,
    )

    assert (rows_staged.rows, rows_staged.faults) == (6920, ())
    assert {row.fields["label"] for row in staged_rows(rows_staged)} == {"0", "1"}


def test_nested_rows_have_one_hash_as_json_and_as_parquet(tmp_path: Path) -> None:
    # The first span of a text begins at 0, which these rows say by saying nothing.
    records = [
        json.loads(line)
        for line in shared_data("pii/presidio_synth_v2_shared.jsonl").read_text().splitlines()
    ]
    file = SourceFile([as_parquet(records)], FormatName.PARQUET)

    as_json = staged_data("pii/presidio_synth_v2_shared.jsonl", tmp_path, "jsonl")
    as_table = stage_file(file, folder=tmp_path, limits=IngestionLimits())

    assert as_json.sha256 == as_table.sha256
    assert as_json.nested == as_table.nested


def test_pieces_of_any_size_give_the_same_rows(tmp_path: Path) -> None:
    data = shared_data("pii/presidio_generated_large_shared_pairs.csv").read_bytes()

    hashes = {staged(data, "csv", tmp_path, chunk=size).sha256 for size in (1, 1000, 1 << 20)}

    assert len(hashes) == 1
