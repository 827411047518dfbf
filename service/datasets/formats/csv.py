"""CSV and TSV with a header: RFC 4180, double quotes."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import IO

from service.datasets.formats.options import FormatName
from service.datasets.formats.read_context import ReadContext
from service.datasets.formats.rows import SourceRow, is_unicode
from service.errors import Fault, Invalid

DELIMITERS = (",", "\t", ";", "|")
_SAMPLE_LINES = 50


def csv_rows(lines: Iterable[str], context: ReadContext) -> Iterator[SourceRow]:
    """Yield the records of decoded lines and note the faults; numbers count records, not lines.

    Columns without a name are left out. Strict about quotes: a quote that is never closed
    would take in the rest of the file without an error. Raises Invalid `missing_header`,
    `duplicate_column`, `too_many_columns`, `row_too_long`.
    """
    head = list(islice(it := iter(lines), _SAMPLE_LINES))
    guard = _RecordLengthGuard(chain(head, it), context.limits.row_bytes)
    records = _records(_reader(guard, context, head))
    header = list(context.options.columns) or _read_header(records)
    context.add_columns([name for name in header if name])
    for number, cells in enumerate(records, start=1):
        guard.characters = 0
        fields = _fields(number, header, cells, context)
        if fields is not None:
            yield SourceRow(number, fields)


class _RecordLengthGuard:
    """Passes lines through until a record is longer than a row may be."""

    def __init__(self, lines: Iterable[str], limit: int) -> None:
        self._lines = iter(lines)
        self._limit = limit
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.characters += len(line)
        if self.characters > self._limit:
            message = f"a row is longer than {self._limit} characters; is a quote never closed?"
            raise Invalid(message, code="row_too_long")
        return line


def _reader(lines: Iterable[str], context: ReadContext, head: Sequence[str]) -> Iterator[list[str]]:
    delimiter = _delimiter(context, head)
    if context.options.quoting:
        return csv.reader(lines, strict=True, delimiter=delimiter)
    return csv.reader(lines, strict=True, delimiter=delimiter, quoting=csv.QUOTE_NONE)


def _delimiter(context: ReadContext, head: Sequence[str]) -> str:
    options = context.options
    if options.delimiter:
        return options.delimiter
    return "\t" if options.name is FormatName.TSV else detect_delimiter(head)


def detect_delimiter(head: Sequence[str]) -> str:
    """Return the delimiter that gives the most cells in the first lines, equally many in each."""
    return max(DELIMITERS, key=lambda each: _evenness(head, each))


def _evenness(head: Sequence[str], delimiter: str) -> tuple[bool, int, int]:
    """Return whether all records have the header's width, how many have, and that width."""
    records = csv.reader(head, delimiter=delimiter)
    try:
        widths = [len(cells) for cells in records if cells]
    except csv.Error:
        widths = []
    if not widths or widths[0] < 2:  # noqa: PLR2004  one cell: nothing was delimited
        return False, 0, 0
    equal_widths = widths.count(widths[0])
    # The last record of the sample may be cut off.
    return equal_widths >= len(widths) - 1, equal_widths, widths[0]


def _read_header(records: Iterator[list[str] | None]) -> list[str]:
    names = [name.strip() for name in next(records, None) or []]
    if not any(names):
        raise Invalid("the file has no header", code="missing_header")
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        message = f"the header names {len(twice)} columns twice"
        fault = Fault("row 0", "duplicate_column", message)
        raise Invalid(message, code="duplicate_column", faults=[fault])
    return names


def _records(records: Iterator[list[str]]) -> Iterator[list[str] | None]:
    """Yield records, None for one that cannot be read; blank lines are skipped."""
    while True:
        try:
            cells = next(records)
        except StopIteration:
            return
        except csv.Error:
            yield None
        else:
            if cells:
                yield cells


def _fields(
    number: int, header: Sequence[str], cells: list[str] | None, context: ReadContext
) -> dict[str, str] | None:
    """Return a record's cells by name; note its fault and return None if it has one."""
    if cells is None:
        message = "quotes are wrong or a cell is too long; double the quotes inside a quoted cell"
        context.log.add(number, "invalid_csv_row", message)
    elif len(cells) != len(header):
        message = (
            f"{len(cells)} cells, the header has {len(header)}; quote cells that hold a delimiter"
        )
        context.log.add(number, "ragged_row", message)
    else:
        fields = {name: cell for name, cell in zip(header, cells, strict=True) if name}
        if context.validated:
            return fields
        broken = next((name for name, cell in fields.items() if not is_unicode(cell)), None)
        if broken is None:
            return fields
        message = "bytes that are not text in the file's encoding; save the file as UTF-8"
        context.log.add(number, "wrong_encoding", message, column=broken)
    return None


def text_lines_of(file: IO[str], context: ReadContext) -> Iterator[str]:
    """Yield lines with their ends. Raises Invalid `line_too_long`: what follows is not known."""
    limit = context.limits.row_bytes
    number = 0
    while line := file.readline(limit + 1):
        number += 1
        if len(line) > limit:
            message = f"row {number}: a line may hold {limit} bytes; is a quote never closed?"
            fault = Fault(f"row {number}", "line_too_long", message)
            raise Invalid(message, code="line_too_long", faults=[fault])
        yield line
