"""From one file of a source to batches of texts, whatever its format."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from service.datasets.formats.class_names import with_names
from service.datasets.formats.csv import csv_rows, text_lines_of
from service.datasets.formats.encoding import (
    Encoding,
    detect_encoding,
    named_encoding,
    wrongly_encoded,
)
from service.datasets.formats.json_document import json_rows
from service.datasets.formats.jsonl import begins_as_json_lines, blocks_of, jsonl_rows
from service.datasets.formats.options import EncodingName, FormatName, FormatOptions
from service.datasets.formats.read_context import ReadContext
from service.datasets.formats.rows import SourceRow
from service.datasets.ingestion.batches import Batch, batches_of
from service.datasets.ingestion.columnar_jsonl import columnar_batch
from service.datasets.ingestion.parquet_subprocess import parquet_batches
from service.errors import Fault, Invalid
from service.files.compression import expanded, refuse_archives
from service.files.contents import HEAD_BYTES, limited, wide_encoding, with_head


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
_DEFAULTS = FormatOptions()


def batches_of_file(
    chunks: Iterable[bytes], *, name: FormatName, folder: Path, context: ReadContext
) -> Iterator[Batch]:
    """Yield the rows of a file that may be compressed, and note the faults of the others.

    Raises Invalid, TooLarge for what is wrong with the file as a whole.
    """
    limit_bytes = context.limits.source_bytes
    with tempfile.TemporaryDirectory(dir=folder) as own:
        plain = decompress_to_file(chunks, folder=Path(own), limit_bytes=limit_bytes)
        yield from plain_file_batches(plain, name, context)


def plain_file_batches(plain: Path, name: FormatName, context: ReadContext) -> Iterator[Batch]:
    """Yield the rows of a file that is not compressed; raises and notes as `batches_of_file`."""
    for batch in _batches(plain, name, context):
        if context.class_names.keys().isdisjoint(batch.columns) or context.keeps_class_numbers:
            yield batch
        else:
            yield Batch(batch.numbers, with_names(batch.columns, context.class_names))


def _batches(plain: Path, name: FormatName, context: ReadContext) -> Iterator[Batch]:
    if _begins_as_parquet(plain):
        _refuse_unused(context.options, FormatName.PARQUET)
        return parquet_batches(plain, context)
    _refuse_unused(context.options, name)
    match name:
        case FormatName.PARQUET:
            message = "the file does not begin as Parquet does; name its format"
            raise Invalid(message, code="invalid_parquet")
        case FormatName.JSONL:
            return _jsonl_batches(_in_utf8(plain, context), context)
        case FormatName.JSON if begins_as_json_lines(
            text := _in_utf8(plain, context), context.limits.row_bytes
        ):
            return _jsonl_batches(text, context)
        case _:
            return batches_of(_decoded_rows(plain, name, context))


def _refuse_unused(options: FormatOptions, name: FormatName) -> None:
    """Raise Invalid `option_not_for_format` for options that would be ignored."""
    if name in {FormatName.CSV, FormatName.TSV}:
        return
    ignored = ["delimiter", "quoting", "columns"]
    ignored += ["encoding"] if name is FormatName.PARQUET else []
    unused = [each for each in ignored if getattr(options, each) != getattr(_DEFAULTS, each)]
    if unused:
        message = f"`{unused[0]}` does not go with {name.value}; leave it out"
        fault = Fault(f"/spec/source/format/{unused[0]}", "option_not_for_format", message)
        raise Invalid(message, code="option_not_for_format", faults=[fault])


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
    try:
        newline = _line_end(plain, encoding.name)
        with plain.open(encoding=encoding.name, errors="surrogateescape", newline=newline) as file:
            if name is FormatName.JSON:
                yield from json_rows(file, context)
            else:
                yield from csv_rows(text_lines_of(file, context), context)
    except UnicodeDecodeError:
        raise wrongly_encoded(encoding.name) from None


def _line_end(path: Path, encoding: str) -> str:
    """Return how lines end: in a carriage return alone only if there is no line feed at all."""
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        head = file.read(_HEAD_CHARACTERS)
    return "\r" if "\r" in head and "\n" not in head else "\n"


def _encoding(plain: Path, context: ReadContext) -> Encoding:
    given = context.options.encoding
    encoding = detect_encoding(plain) if given is None else named_encoding(plain, given)
    if encoding.assumed:
        context.assumed_encodings.add(encoding.name)
    return encoding


def _in_utf8(plain: Path, context: ReadContext) -> Path:
    """Return JSON Lines in UTF-8: as they are, or written again from what they are said to be in.

    A byte that is not text stays as it is, and is a fault of its line.
    """
    with plain.open("rb") as file:
        wide = wide_encoding(file.read(HEAD_BYTES))
    if not wide and context.options.encoding in {None, EncodingName.UTF_8}:
        return plain
    name = _encoding(plain, context).name
    converted = plain.with_name("utf8")
    try:
        with (
            plain.open(encoding=name, errors="surrogateescape", newline="") as file,
            converted.open("w", encoding="utf-8", errors="surrogateescape", newline="") as target,
        ):
            shutil.copyfileobj(file, target, _HEAD_CHARACTERS)
    except UnicodeDecodeError:
        raise wrongly_encoded(name) from None
    return converted
