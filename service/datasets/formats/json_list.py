"""The elements of a JSON list, one by one; one that is not JSON is a fault of its row."""

import re
from collections.abc import Iterator
from itertools import count
from typing import IO

from service.datasets.formats.read_context import ReadContext
from service.datasets.formats.rows import JsonParser, json_fault

BETWEEN = " \t\r\n"
_BLOCK_CHARACTERS = 1 << 20
# A string on one line, or what opens, closes and parts elements; a quote alone on its line is none.
_MARK = re.compile(r'"(?:[^"\\\n]|\\.)*+"|[\[\]{},]')


class JsonList:
    """Takes the elements out of a text that is read in blocks, from behind the list's bracket."""

    def __init__(
        self,
        file: IO[str],
        context: ReadContext,
        *,
        begun: str = "",
        line: int = 1,
        alone: bool = True,
    ) -> None:
        """`begun` was read already, `line` is the number of its first one; where not `alone`, more
        follows the list.
        """
        self.parser = JsonParser()
        self._file = file
        self._log = context.log
        self._limit = context.limits.row_bytes
        self._buffer = begun
        self._at = 0
        self._alone = alone
        self._line = line  # of the first character in the buffer
        self._ended = False
        self._lost = False  # the end of an element was not found

    def values(self) -> Iterator[tuple[int, object]]:
        """Yield the elements that are JSON with their numbers, from 1; note the others' faults.

        One that is not JSON is passed over up to its comma. Where this cannot be found, and where
        the list is not closed, that is a fault, too.
        """
        if self._next() == "]":
            self._at += 1
            return
        fault, number = "", 0
        for number in count(1):
            value, wrong = self._element()
            if fault := fault or wrong:
                self._log.add(number, "invalid_json_row", fault)
            else:
                yield number, value
            if self._next() != ",":
                fault = self._place("a comma is missing before the element")
            else:
                self._at, fault = self._at + 1, ""
            if self._next() in {"]", ""}:
                break
        if not self._lost:
            self._close(number, comma=not fault)

    @property
    def line(self) -> int:
        """The number of the line where reading has stopped."""
        return self._line + self._buffer.count("\n", 0, self._at)

    def rest(self) -> str:
        """Return what was read and is behind the list, once it has been read."""
        return self._buffer[self._at :]

    def _element(self) -> tuple[object, str]:
        """Return the element here, or what is wrong with it, and stop at what follows it."""
        value, fault = self._parsed()
        if not fault and self._next() in {"}", ":"}:
            fault = self._place("what follows the element is neither a comma nor the bracket")
        if fault and not self._pass_over():
            fault += "; where the element ends cannot be found: the rows after it were not read"
        return value, fault

    def _parsed(self) -> tuple[object, str]:
        self._next()
        while True:
            fault = ""
            try:
                value, end = self.parser.scan(self._buffer, self._at)
            except (ValueError, RecursionError) as error:
                fault = json_fault(error, first_line=self._line)
            else:
                if self._ended or end < len(self._buffer):
                    self._at = end
                    return value, ""
            if self._ended:
                return None, fault
            if len(self._buffer) - self._at > self._limit:
                return None, f"{fault or 'too long'}; an element may have {self._limit} characters"
            self._read_on()

    def _pass_over(self) -> bool:
        """Go to the comma or the bracket after the element; false where there is none."""
        depth = 0
        for found in _MARK.finditer(self._buffer, self._at):
            mark = found[0]
            if depth == 0 and mark in {",", "]"}:
                self._at = found.start()
                return True
            depth += (mark in {"{", "["}) - (mark in {"}", "]"} and depth > 0)
        self._buffer, self._at, self._ended, self._lost = "", 0, True, True
        return False

    def _close(self, last: int, *, comma: bool) -> None:
        """Note what is wrong behind the last element."""
        fault = "a comma stands before the closing bracket; take it out" if comma else ""
        if self._next() == "]":
            self._at += 1
            if self._alone and self._next():
                fault = "something follows the closing bracket; write one list only"
        else:
            fault = "the list is not closed: the file may be cut off; write it again"
        if fault:
            self._log.add(last + 1, "invalid_json", self._place(fault))

    def _place(self, fault: str) -> str:
        return f"line {self.line}: {fault}"

    def _next(self) -> str:
        """Return the next character that is no white space, and stop at it; empty at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in BETWEEN:
                self._at += 1
            if self._at < len(self._buffer) or self._ended:
                return self._buffer[self._at : self._at + 1]
            self._read_on()

    def _read_on(self) -> None:
        block = self._file.read(_BLOCK_CHARACTERS)
        self._ended = not block
        self._line += self._buffer.count("\n", 0, self._at)
        self._buffer = self._buffer[self._at :] + block
        self._at = 0
