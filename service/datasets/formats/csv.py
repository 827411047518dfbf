"""CSV and TSV with a header: RFC 4180, double quotes."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import IO, Literal

from service.datasets.formats.csv_header import (
    ResemblingNames,
    delimiter_of,
    has_lone_return,
    is_spaced,
    read_header,
    refuse_other_formats,
    refuse_single_quotes,
)
from service.datasets.formats.joined_rows import JoinedRows
from service.datasets.formats.read_context import ReadContext
from service.datasets.formats.rows import SourceRow, is_unicode
from service.errors import Fault, Invalid

_SAMPLE_LINES = 50
_ANY_CHARACTERS = (1 << 31) - 1
_ROWS_RESEMBLED = 20
_ROWS_COMPARED = 1000  # with the header


def csv_rows(lines: Iterable[str], context: ReadContext) -> Iterator[SourceRow]:
    """Yield the records of decoded lines and note the faults; numbers count records, not lines.

    Columns without a name are left out. Strict about quotes: a quote that is never closed
    would take in the rest of the file without an error, and one that is closed by a stray quote
    rows below would take in these. Raises Invalid `missing_header`, `invalid_header`,
    `duplicate_column`, `single_quotes`, `too_many_columns`, `row_too_long`.
    """
    head = list(islice(it := iter(lines), _SAMPLE_LINES))
    refuse_other_formats(head, context)
    delimiter = delimiter_of(head, context)
    refuse_single_quotes(head, delimiter, context)
    guard = _RecordLines(chain(head, it), context.limits.row_bytes)
    spaced = is_spaced(head, delimiter)
    records = _records(_reader(guard, context, delimiter, spaced=spaced))
    header = list(context.options.columns) or read_header(records, guard.lines, context)
    context.add_columns(filter(None, header))
    kept = [(at, name) for at, name in enumerate(header) if name and context.needs(name)]
    joined = JoinedRows(header, delimiter, head)
    resembling = ResemblingNames(header, context)
    guard.row = 1
    guard.lines.clear()
    for cells in records:
        number = guard.row
        guard.row += 1
        if number <= _ROWS_COMPARED:
            names = zip(header, cells or (), strict=False)
            context.names_in_rows.update(name for name, cell in names if name and name == cell)
        if number <= _ROWS_RESEMBLED:
            resembling.add(cells or ())
        fault = _record_fault(cells, guard.lines, joined)
        if fault is not None:
            context.log.add(number, *fault)
            guard.row += len(guard.lines) - 1 if fault[0] == "swallowed_rows" else 0
        elif (fields := _fields(number, kept, cells or [], context)) is not None:
            yield SourceRow(number, fields)
        guard.lines.clear()


class _RecordLines:
    """Passes lines through and keeps the filled ones of a record, which has a greatest length.

    `row` is the number of that record. A byte order mark before a line is left out.
    """

    def __init__(self, lines: Iterable[str], limit: int) -> None:
        self._lines = iter(lines)
        self._limit = limit
        self.lines: list[str] = []
        self.row = 0
        self._characters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines).removeprefix("\ufeff")
        if line.endswith("\r\r\n"):  # as text that was written as text twice
            line = line.rstrip("\r\n") + "\n"
        self._characters = self._characters + len(line) if self.lines else len(line)
        if self._characters > self._limit:
            where = f"row {self.row}"
            message = (
                f"{where} is longer than {self._limit} characters; is a quote never closed? "
                "shorten it, or raise TUNECURVE_LINE_BYTES_LIMIT"
            )
            fault = Fault(where, "row_too_long", message)
            raise Invalid(message, code="row_too_long", faults=[fault])
        if not line.isspace():
            self.lines.append(line)
        return line


def _reader(
    lines: Iterable[str], context: ReadContext, delimiter: str, *, spaced: bool
) -> Iterator[list[str]]:
    """Return a reader of records; where delimiters are `spaced`, a quote may follow the space."""
    # The length of a cell is checked here, once its record is whole; that of a record above.
    csv.field_size_limit(_ANY_CHARACTERS)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if context.options.quoting else csv.QUOTE_NONE
    return csv.reader(
        lines, strict=True, delimiter=delimiter, quoting=quoting, skipinitialspace=spaced
    )


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


def _record_fault(
    cells: list[str] | None, lines: Sequence[str], joined: JoinedRows
) -> tuple[str, str] | None:
    """Return the code and the message of what is wrong with a record as a whole."""
    if cells is None:
        if has_lone_return(lines):
            message = "a carriage return stands alone in a cell; quote the cell or take it out"
        else:
            message = "quotes are wrong; double the quotes inside a quoted cell"
        return "invalid_csv_row", message
    if joined.is_header(cells):
        return "repeated_header", "the header stands here again: files were joined; take it out"
    if joined.found_in(lines, cells):
        message = (
            f"quotes enclose {len(lines)} lines that are rows by themselves; double the quotes "
            "inside cells, or say `quoting: false` in the format"
        )
        return "swallowed_rows", message
    if len(cells) != joined.width:
        return (
            "ragged_row",
            f"{len(cells)} cells, the header has {joined.width}; {_advice(cells, joined)}",
        )
    return None


def _advice(cells: Sequence[str], joined: JoinedRows) -> str:
    if joined.open_header and len(cells) == joined.width - 1:
        return "the header ends in a delimiter: take it out"
    if len(cells) == joined.width + 1 and not cells[-1]:
        return "the row ends in a delimiter, and the header does not: take it out"
    if joined.width == 1:
        return "take out what stands before the line that names the columns"
    if len(cells) > joined.width:
        return "quote cells that hold a delimiter, or name the columns that the header lacks"
    if len(cells) == 1 and joined.is_split(cells[0]):
        return "take the quotes around the whole line out"
    return "add the missing cells, or quote the cell whose text continues in the next line"


def _fields(
    number: int, kept: Sequence[tuple[int, str]], cells: list[str], context: ReadContext
) -> dict[str, str] | None:
    """Return a record's cells by name; note its fault and return None if it has one."""
    fields = {name: cells[at] for at, name in kept}
    limit = context.limits.cell_characters
    column = next((name for name, cell in fields.items() if len(cell) > limit), None)
    if column is not None:
        message = (
            f"a cell is longer than {limit} characters; shorten it, "
            "or raise TUNECURVE_CELL_CHARACTERS_LIMIT"
        )
        context.log.add(number, "cell_too_long", message, column=column)
        return None
    if context.validated:
        return fields
    broken = next((name for name, cell in fields.items() if not is_unicode(cell)), None)
    if broken is None:
        return fields
    message = "bytes that are not text in the file's encoding; save the file as UTF-8"
    context.log.add(number, "wrong_encoding", message, column=broken)
    return None


def text_lines_of(file: IO[str], context: ReadContext) -> Iterator[str]:
    """Yield lines with their ends, up to one that is longer than a row may be: its beginning."""
    limit = context.limits.row_bytes
    while line := file.readline(limit + 1):
        yield line
        if len(line) > limit:
            return
