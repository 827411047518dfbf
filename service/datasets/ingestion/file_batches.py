"""From one file of a source to batches of texts, whatever its format."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from service.datasets.formats.csv import csv_rows, text_lines_of
from service.datasets.formats.encoding import Encoding, detect_encoding
from service.datasets.formats.json_document import json_rows
from service.datasets.formats.jsonl import blocks_of, jsonl_rows
from service.datasets.formats.options import EncodingName, FormatName
from service.datasets.formats.read_context import ReadContext
from service.datasets.formats.rows import SourceRow
from service.datasets.ingestion.batches import Batch, batches_of
from service.datasets.ingestion.columnar_jsonl import columnar_batch
from service.datasets.ingestion.parquet_subprocess import parquet_batches
from service.errors import Invalid
from service.files.compression import expanded, refuse_archives
from service.files.contents import limited, with_head


def decompress_to_file(chunks: Iterable[bytes], *, folder: Path, limit_bytes: int) -> Path:
    """Write a source's bytes, expanded once, to a file in the folder and return its path.

    `limit_bytes` bounds both what comes and what it expands to. Raises TooLarge, Invalid
    `invalid_gzip`, `invalid_zstd`, `unreadable_archive`, `empty_file`.
    """
    sent = limited(chunks, limit_bytes=limit_bytes)
    head, whole = with_head(expanded(sent, limit_bytes=limit_bytes))
    if not head:
        raise Invalid("the file is empty", code="empty_file")
    refuse_archives(head)
    plain = folder / "plain"
    with plain.open("wb") as file:
        file.writelines(whole)
    return plain


_PARQUET_MAGIC = b"PAR1"
_HEAD_CHARACTERS = 1 << 16


def batches_of_file(
    chunks: Iterable[bytes], *, name: FormatName, folder: Path, context: ReadContext
) -> Iterator[Batch]:
    """Yield the rows of a file that may be compressed, and note the faults of the others.

    Raises Invalid, TooLarge for what is wrong with the file as a whole.
    """
    limit_bytes = context.limits.source_bytes
    with tempfile.TemporaryDirectory(dir=folder) as own:
        plain = decompress_to_file(chunks, folder=Path(own), limit_bytes=limit_bytes)
        yield from _batches(plain, name, context)


def _batches(plain: Path, name: FormatName, context: ReadContext) -> Iterator[Batch]:
    if _begins_as_parquet(plain):
        return parquet_batches(plain, context)
    match name:
        case FormatName.PARQUET:
            message = "the file does not begin as Parquet does; name its format"
            raise Invalid(message, code="invalid_parquet")
        case FormatName.JSONL:
            return _jsonl_batches(plain, context)
        case _:
            return batches_of(_decoded_rows(plain, name, context))


def _begins_as_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC


def _jsonl_batches(plain: Path, context: ReadContext) -> Iterator[Batch]:
    with plain.open("rb") as file:
        for number, block in blocks_of(file, context):
            batch = columnar_batch(block, number, context)
            if batch is not None:
                yield batch
                continue
            yield from batches_of(jsonl_rows(block, number, context))


def _decoded_rows(plain: Path, name: FormatName, context: ReadContext) -> Iterator[SourceRow]:
    """Yield the rows of a text file. An invalid byte becomes a lone surrogate here, which
    readers find in its row.
    """
    encoding = _encoding(plain, context)
    context.validated = encoding.validated
    if encoding.assumed:
        context.assumed_encodings.add(encoding.name)
    newline = _line_end(plain, encoding.name)
    with plain.open(encoding=encoding.name, errors="surrogateescape", newline=newline) as file:
        if name is FormatName.JSON:
            yield from json_rows(file, context)
        else:
            yield from csv_rows(text_lines_of(file, context), context)


def _line_end(path: Path, encoding: str) -> str:
    """Return how lines end: in a carriage return alone only if there is no line feed at all."""
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        head = file.read(_HEAD_CHARACTERS)
    return "\r" if "\r" in head and "\n" not in head else "\n"


def _encoding(plain: Path, context: ReadContext) -> Encoding:
    given = context.options.encoding
    if given is None:
        return detect_encoding(plain)
    name = "utf-8-sig" if given is EncodingName.UTF_8 else given.value
    return Encoding(name, validated=False)
