"""The same rows written in every format, and a short way to stage bytes."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import zstandard
from pyarrow import parquet

from service.datasets.formats.options import FormatName, FormatOptions
from service.datasets.formats.read_context import IngestionLimits
from service.datasets.ingestion.staged_rows import StagedRows, stage_file, staged_rows
from service.datasets.sources.source import SourceFile

Records = Sequence[Mapping[str, Any]]
SMALL = IngestionLimits(source_bytes=8 << 20, row_bytes=1 << 16, document_bytes=1 << 20)


def staged(
    data: bytes,
    name: str,
    folder: Path,
    *,
    limits: IngestionLimits = SMALL,
    chunk: int = 50_000,
    needed: Iterable[str] | None = None,
    **options: Any,
) -> StagedRows:
    chunks = (data[start : start + chunk] for start in range(0, len(data), chunk))
    file = SourceFile(chunks, FormatName(name))
    given = FormatOptions(**options)
    return stage_file(file, folder=folder, limits=limits, options=given, needed=needed)


def fields_of(rows: StagedRows) -> list[dict[str, str]]:
    return [dict(row.fields) for row in staged_rows(rows)]


def faults_of(rows: StagedRows) -> list[tuple[int, str, str]]:
    return [(fault.row, fault.code, fault.field) for fault in rows.faults]


def as_jsonl(records: Records) -> bytes:
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in records)


def as_csv(records: Records, *, delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(records[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode(encoding)


def as_parquet(records: Sequence[Mapping[str, Any]]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(list(records)), file)
    return file.getvalue()


def as_json(records: Records) -> bytes:
    return json.dumps(records, indent=1).encode()


WRITINGS: dict[str, tuple[str, Callable[[Records], bytes]]] = {
    "jsonl": ("jsonl", as_jsonl),
    "jsonl with escapes": ("jsonl", lambda rows: b"\n".join(json.dumps(r).encode() for r in rows)),
    "jsonl with blank lines": ("jsonl", lambda rows: as_jsonl(rows).replace(b"\n", b"\n \n")),
    "gzip": ("jsonl", lambda rows: gzip.compress(as_jsonl(rows))),
    "zstd": ("jsonl", lambda rows: zstandard.compress(as_jsonl(rows))),
    "zstd, two frames": (
        "jsonl",
        lambda rows: (
            zstandard.compress(as_jsonl(rows[:7])) + zstandard.compress(as_jsonl(rows[7:]))
        ),
    ),
    "csv": ("csv", as_csv),
    "csv, gzip": ("csv", lambda rows: gzip.compress(as_csv(rows))),
    "csv with semicolons": ("csv", lambda rows: as_csv(rows, delimiter=";")),
    "csv with a mark": ("csv", lambda rows: as_csv(rows, encoding="utf-8-sig")),
    "csv in UTF-16": ("csv", lambda rows: as_csv(rows, encoding="utf-16")),
    "csv in Windows-1252": ("csv", lambda rows: as_csv(rows, encoding="cp1252")),
    "tsv": ("tsv", lambda rows: as_csv(rows, delimiter="\t")),
    "json": ("json", as_json),
    "json below a member": ("json", lambda rows: b'{"rows": ' + as_json(rows) + b', "n": 1}'),
    "parquet": ("parquet", as_parquet),
}
