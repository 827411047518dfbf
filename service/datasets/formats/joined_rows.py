"""Rows of CSV that a stray quote has joined."""

import re
from collections.abc import Sequence

_PROSE_LINES = 3
_CELLS_KEPT = 1000  # of all columns
_CELLS_OF_COLUMN = 20  # at least
_CELL_KEPT = 100
_TIGHT_COMMA = re.compile(r",(?! )(?!(?<=\d,)\d)")


class JoinedRows:
    """Finds rows that a stray quote has joined: lines of one record that are rows by themselves.

    A comma in prose is followed by a space or stands in a number; others delimit cells. Since one
    text may have two lines with a tight comma each, such lines are rows only if one of them holds
    a cell that another row has in the same column. Other delimiters need no proof.
    """

    def __init__(self, header: Sequence[str], delimiter: str, head: Sequence[str]) -> None:
        self._header = list(header)
        self.width = len(header)
        self.open_header = header[-1] == ""
        self._prose = delimiter == ","
        self._delimiting = _TIGHT_COMMA if self._prose else re.compile(re.escape(delimiter))
        self._room = max(_CELLS_KEPT // self.width, _CELLS_OF_COLUMN)
        self._known: list[dict[str, int]] = [{} for _ in header]
        for line in head:
            self._note(self._delimiting.split(line.rstrip("\r\n")))

    def is_split(self, cell: str) -> bool:
        return self.width > 1 and len(self._delimiting.split(cell)) == self.width

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
        first, last = rows[0], rows[-1]
        if first[-1] == cells[-1] or last[0] == cells[0]:
            return True
        inside = [*enumerate(first)][_opening(first) + 1 :] + [*enumerate(last)][: _closing(last)]
        # Lines of the head were noted once, and their own are among them.
        return any(cell and self._known[at].get(cell[:_CELL_KEPT], 0) > 1 for at, cell in inside)

    def _note(self, cells: Sequence[str]) -> None:
        if self._room <= 0 or len(cells) != self.width:
            return
        self._room -= 1
        for known, cell in zip(self._known, cells, strict=True):
            kept = cell[:_CELL_KEPT]
            known[kept] = known.get(kept, 0) + 1


def _opening(cells: Sequence[str]) -> int:
    """Return where the quote opens that is not closed on its line."""
    opened = [at for at, cell in enumerate(cells) if cell.startswith('"') and cell[1:][-1:] != '"']
    return max(opened, default=0)


def _closing(cells: Sequence[str]) -> int:
    """Return where the quote is closed that an earlier line has opened."""
    closed = [at for at, cell in enumerate(cells) if cell.endswith('"')]
    return min(closed, default=len(cells))
