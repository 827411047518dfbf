"""Tables that fit a terminal: texts wrap between words, ids and numbers stay whole. Pure."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

_GAP = 2
_NOTHING = frozenset({"", "-"})
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)\S*")
_MINUTE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d|-?")
_PIECE = re.compile(r"\s+|(?:[^\s/@=-]|(?<=\d)-(?=\d))+[/@=-]*|[/@=-]+")  # no date breaks


@dataclass(frozen=True, slots=True)
class TextColumn:
    """The cells of a column as text; numbers stand right."""

    head: str
    cells: Sequence[str]
    numbers: bool = False


def table_lines(columns: Sequence[TextColumn], room: int | None = None) -> list[str]:
    """Return the lines of a table that is at most `room` characters wide, or of any width.

    Where it is wider, columns that hold nothing are left out and texts wrap, after that columns of
    times are left out, too, and after that each row is a block with a line for each column.
    """
    widths = [_width(column) for column in columns]
    if room is None or _total(widths, _GAP) <= room:
        return _lines(columns, widths, _GAP)
    told = [_in_minutes(column) for column in columns if _says_something(column)]
    lasting = [column for column in told if not _is_of_times(column)]
    for kept in (told, lasting):
        floors = [_floor(column) for column in kept]
        for gap in (_GAP, 1):
            if _total(floors, gap) <= room:
                space = room - gap * (len(kept) - 1)
                return _lines(kept, _shrunk([_width(each) for each in kept], floors, space), gap)
    return list(_blocks(columns, room))


def _says_something(column: TextColumn) -> bool:
    return not column.cells or not _NOTHING.issuperset(column.cells)


def _is_of_times(column: TextColumn) -> bool:
    return bool(column.cells) and all(map(_MINUTE.fullmatch, column.cells))


def _in_minutes(column: TextColumn) -> TextColumn:
    return replace(column, cells=[_TIME.sub(r"\1 \2", cell) for cell in column.cells])


def _width(column: TextColumn) -> int:
    return max(map(len, (column.head, *column.cells)))


def _floor(column: TextColumn) -> int:
    """Return the width of what is longest of a column among all that does not break."""
    cells = map(len if column.numbers else _longest_piece, column.cells)
    return max((_longest_piece(column.head), *cells))


def _longest_piece(text: str) -> int:
    return max((len(piece.strip()) for piece in _PIECE.findall(text)), default=0)


def _total(widths: Sequence[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _shrunk(widths: Sequence[int], floors: Sequence[int], space: int) -> list[int]:
    """Return widths that are `space` in all: the widest columns give way first."""
    found = list(widths)
    while sum(found) > space:
        spare = [each if each > floor else 0 for each, floor in zip(found, floors, strict=True)]
        found[spare.index(max(spare))] -= 1
    return found


def _lines(columns: Sequence[TextColumn], widths: Sequence[int], gap: int) -> list[str]:
    rows = zip(*((column.head, *column.cells) for column in columns), strict=True)
    return [line for row in rows for line in _row_lines(row, columns, widths, gap)]


def _row_lines(
    row: Sequence[str], columns: Sequence[TextColumn], widths: Sequence[int], gap: int
) -> Iterator[str]:
    """Yield the lines of a row; what does not fit its column continues below."""
    cells = [_wrapped(text, width) for text, width in zip(row, widths, strict=True)]
    for line in zip_longest(*cells, fillvalue=""):
        padded = (
            text.rjust(width) if column.numbers else text.ljust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        )
        yield (" " * gap).join(padded).rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of `width` characters, of which no piece of it has more."""
    lines = [""]
    for piece in _PIECE.findall(text):
        if len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines]


def _blocks(columns: Sequence[TextColumn], room: int) -> Iterator[str]:
    """Yield a line for each value of each row, and an empty one between rows."""
    width = max(len(column.head) for column in columns)
    for row in range(len(columns[0].cells)):
        if row:
            yield ""
        for column in (each for each in columns if each.cells[row] not in _NOTHING):
            lines = textwrap.wrap(column.cells[row], room - width - _GAP)
            for head, line in zip_longest([column.head], lines, fillvalue=""):
                yield f"{head:<{width}}  {line}".rstrip()
