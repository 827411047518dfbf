"""From one file of a source to batches of texts, whatever its format."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from service.datasets.formats.compression import keep_plain
from service.datasets.formats.csv import csv_rows
from service.datasets.formats.encoding import Encoding, found_encoding
from service.datasets.formats.json_document import json_rows
from service.datasets.formats.jsonl import jsonl_rows
from service.datasets.formats.lines import blocks_of, text_lines_of
from service.datasets.formats.options import FormatName
from service.datasets.formats.read_context import Reading
from service.datasets.formats.rows import SourceRow
from service.datasets.ingestion.batches import Batch, batches_of
from service.datasets.ingestion.columnar_jsonl import quick_batch
from service.datasets.ingestion.parquet_subprocess import parquet_batches
from service.errors import Invalid

_PARQUET_MAGIC = b"PAR1"


def batches_of_file(
    chunks: Iterable[bytes], *, name: FormatName, folder: Path, reading: Reading
) -> Iterator[Batch]:
    """Yield the rows of a file that may be compressed, and note the faults of the others.

    Raises Invalid, TooLarge for what is wrong with the file as a whole.
    """
    limit_bytes = reading.limits.source_bytes
    with tempfile.TemporaryDirectory(dir=folder) as own:
        plain = keep_plain(chunks, folder=Path(own), limit_bytes=limit_bytes)
        yield from _batches(plain, name, reading)


def _batches(plain: Path, name: FormatName, reading: Reading) -> Iterator[Batch]:
    if _begins_as_parquet(plain):
        return parquet_batches(plain, reading)
    match name:
        case FormatName.PARQUET:
            message = "the file does not begin as Parquet does; name its format"
            raise Invalid(message, code="invalid_parquet")
        case FormatName.JSONL:
            return _jsonl_batches(plain, reading)
        case _:
            return batches_of(_decoded_rows(plain, name, reading))


def _begins_as_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC


def _jsonl_batches(plain: Path, reading: Reading) -> Iterator[Batch]:
    with plain.open("rb") as file:
        for number, block in blocks_of(file, reading):
            quick = quick_batch(block, number, reading)
            if quick is not None:
                yield quick
                continue
            yield from batches_of(jsonl_rows(block, number, reading))


def _decoded_rows(plain: Path, name: FormatName, reading: Reading) -> Iterator[SourceRow]:
    """Yield the rows of a text file. A byte that is no text becomes half a character here, which
    readers find in the row that it is in.
    """
    given = reading.options.encoding
    encoding = Encoding(given, sound=False) if given else found_encoding(plain)
    reading.sound = encoding.sound
    with plain.open(encoding=encoding.name, errors="surrogateescape", newline="\n") as file:
        if name is FormatName.JSON:
            yield from json_rows(file, reading)
        else:
            yield from csv_rows(text_lines_of(file, reading), reading)
