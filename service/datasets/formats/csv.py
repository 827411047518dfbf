"""CSV and TSV with a header: RFC 4180, double quotes."""

import csv
import re
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
_PLACES_SHOWN = 10
_ANY_CHARACTERS = (1 << 31) - 1
_DELIMITER_LINE = re.compile(r"\ufeff?\"?sep=([,;|\t])\"?\r?\n?", re.IGNORECASE)
_PROSE_LINES = 3
_ROWS_COMPARED = 1000  # with the header
_CELLS_KEPT = 1000
_CELL_KEPT = 100
_TIGHT_COMMA = re.compile(r",(?! )(?!(?<=\d,)\d)")


def csv_rows(lines: Iterable[str], context: ReadContext) -> Iterator[SourceRow]:
    """Yield the records of decoded lines and note the faults; numbers count records, not lines.

    Columns without a name are left out. Strict about quotes: a quote that is never closed
    would take in the rest of the file without an error, and one that is closed by a stray quote
    rows below would take in these. Raises Invalid `missing_header`, `invalid_header`,
    `duplicate_column`, `too_many_columns`, `row_too_long`.
    """
    head = list(islice(it := iter(lines), _SAMPLE_LINES))
    delimiter = _delimiter_line(head, context) or _delimiter(context, head)
    guard = _RecordLines(chain(head, it), context.limits.row_bytes)
    records = _records(_reader(guard, context, delimiter))
    header = list(context.options.columns) or _read_header(records, context)
    context.add_columns(filter(None, header))
    kept = [(at, name) for at, name in enumerate(header) if name and context.needs(name)]
    joined = _JoinedRows(header, delimiter)
    guard.row = 1
    guard.lines.clear()
    for cells in records:
        number = guard.row
        guard.row += 1
        if number <= _ROWS_COMPARED:
            names = zip(header, cells or (), strict=False)
            context.names_in_rows.update(name for name, cell in names if name and name == cell)
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
            message = f"{where} is longer than {self._limit} characters; is a quote never closed?"
            fault = Fault(where, "row_too_long", message)
            raise Invalid(message, code="row_too_long", faults=[fault])
        if not line.isspace():
            self.lines.append(line)
        return line


def _reader(lines: Iterable[str], context: ReadContext, delimiter: str) -> Iterator[list[str]]:
    # The length of a cell is checked here, once its record is whole; that of a record above.
    csv.field_size_limit(_ANY_CHARACTERS)
    if context.options.quoting:
        return csv.reader(lines, strict=True, delimiter=delimiter)
    return csv.reader(lines, strict=True, delimiter=delimiter, quoting=csv.QUOTE_NONE)


def _delimiter_line(head: list[str], context: ReadContext) -> str:
    """Take Excel's first line `sep=;` out of the head and return its delimiter, or nothing."""
    found = _DELIMITER_LINE.fullmatch(head[0]) if head else None
    if found is None or context.options.columns:
        return ""
    del head[0]
    return context.options.delimiter or found[1]


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


def _read_header(records: Iterator[list[str] | None], context: ReadContext) -> list[str]:
    cells = next(records, [])
    if cells is None:
        message = "the header's quotes are wrong; double the quotes inside a quoted name"
        raise Invalid(message, code="invalid_header")
    names = [name.strip() for name in cells]
    if any("\0" in name for name in names):
        message = "the header holds NUL characters, as UTF-16 read wrong does; save it as UTF-8"
        raise Invalid(message, code="invalid_header")
    if not any(names):
        raise Invalid("the file has no header", code="missing_header")
    counts = Counter(name for name in names if name and context.needs(name))
    twice = [str(at) for at, name in enumerate(names, start=1) if counts[name] > 1]
    if twice:
        places = ", ".join(twice[:_PLACES_SHOWN])
        message = f"the header names a column twice, at {places}; rename or delete one of them"
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


def _record_fault(
    cells: list[str] | None, lines: Sequence[str], joined: "_JoinedRows"
) -> tuple[str, str] | None:
    """Return the code and the message of what is wrong with a record as a whole."""
    if cells is None:
        if any("\r" in line.rstrip("\r\n") for line in lines):
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


def _advice(cells: Sequence[str], joined: "_JoinedRows") -> str:
    if joined.open_header and len(cells) == joined.width - 1:
        return "the header ends in a delimiter: take it out"
    if len(cells) > joined.width:
        return "quote cells that hold a delimiter"
    return "add the missing cells, or quote the cell whose text continues in the next line"


class _JoinedRows:
    """Finds rows that a stray quote has joined: lines of one record that are rows by themselves.

    A comma in prose is followed by a space or stands in a number; others delimit cells. Since one
    text may have two lines with a tight comma each, such lines are rows only if one of them ends
    or begins with a cell that another record ended or began with. Other delimiters need no proof.
    """

    def __init__(self, header: Sequence[str], delimiter: str) -> None:
        self._header = list(header)
        self.width = len(header)
        self.open_header = header[-1] == ""
        self._prose = delimiter == ","
        self._delimiting = _TIGHT_COMMA if self._prose else re.compile(re.escape(delimiter))
        self._firsts: set[str] = set()
        self._lasts: set[str] = set()

    def is_header(self, cells: Sequence[str]) -> bool:
        if len(cells) < 2 or cells[0].strip() != self._header[0]:  # noqa: PLR2004  one cell may be any text
            return False
        return [cell.strip() for cell in cells] == self._header

    def found_in(self, lines: Sequence[str], cells: Sequence[str]) -> bool:
        """Return whether a record, whose lines and cells these are, is several rows."""
        if len(lines) < 2:  # noqa: PLR2004  one line, or only cells of white space
            self._note(cells)
            return False
        rows = [self._delimiting.split(line.rstrip("\r\n")) for line in lines]
        if self.width < 2 or any(len(row) != self.width for row in rows):  # noqa: PLR2004  nothing is delimited
            return False
        if not self._prose or len(rows) >= _PROSE_LINES:
            return True
        return rows[0][-1] in {*self._lasts, cells[-1]} or rows[-1][0] in {*self._firsts, cells[0]}

    def _note(self, cells: Sequence[str]) -> None:
        if len(self._lasts) < _CELLS_KEPT:
            self._lasts.add(cells[-1][:_CELL_KEPT])
        if len(self._firsts) < _CELLS_KEPT:
            self._firsts.add(cells[0][:_CELL_KEPT])


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
