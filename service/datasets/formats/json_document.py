"""One JSON document: a list of objects, an object with such a list, or SQuAD's layout."""

from collections.abc import Iterator
from typing import IO, Any

from service.datasets.formats.read_context import ReadContext
from service.datasets.formats.rows import JsonParser, RepeatedMembers, SourceRow, has_repeated
from service.datasets.formats.squad_json import squad_rows
from service.errors import Invalid

_BLOCK_CHARACTERS = 1 << 20
_BETWEEN = " \t\r\n"
_LAYOUTS = "a list of objects, an object with one list of objects, or SQuAD's layout"


def json_rows(file: IO[str], context: ReadContext) -> Iterator[SourceRow]:
    """Yield the rows and note the faults; a list is read element by element.

    Raises Invalid `invalid_json`, `invalid_layout`, `row_too_long`, `document_too_large`.
    """
    head = file.read(1)
    while head and head in _BETWEEN:
        head = file.read(1)
    if head == "[":
        return _elements(file, context)
    if head == "{":
        return _members(head, file, context)
    raise _no_document()


def _elements(file: IO[str], context: ReadContext) -> Iterator[SourceRow]:
    elements = _Elements(file, context)
    number = 0
    for number, value in enumerate(elements.values(), start=1):
        row = context.object_row(number, value, repeated=elements.parser.repeated)
        if row is not None:
            yield row
    if number == 0:
        raise Invalid(f"the list is empty; known: {_LAYOUTS}", code="invalid_layout")


class _Elements:
    """Takes the elements of a list one by one out of a text that is read in blocks."""

    def __init__(self, file: IO[str], context: ReadContext) -> None:
        self.parser = JsonParser()
        self._file = file
        self._limit = context.limits.row_bytes
        self._buffer = ""
        self._at = 0
        self._ended = False

    def values(self) -> Iterator[object]:
        mark = self._next()
        if mark == "]":
            self._at += 1
        while mark != "]":
            yield self._value()
            mark = self._next()
            self._at += 1
            if mark not in {",", "]"}:
                raise _no_document()
        if self._next():
            raise _no_document()

    def _next(self) -> str:
        """Return the next character that is no white space, and stop at it; empty at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in _BETWEEN:
                self._at += 1
            if self._at < len(self._buffer) or self._ended:
                return self._buffer[self._at : self._at + 1]
            self._read_on()

    def _value(self) -> object:
        self._next()
        while (found := self._scanned()) is None:
            if self._ended:
                raise _no_document()
            if len(self._buffer) - self._at > self._limit:
                message = f"an element is no JSON or is longer than {self._limit} characters"
                raise Invalid(message, code="invalid_json")
            self._read_on()
        value, self._at = found
        return value

    def _scanned(self) -> tuple[object, int] | None:
        """Return the value here and where it ends, or None where it may be cut off."""
        try:
            value, end = self.parser.scan(self._buffer, self._at)
        except RecursionError:
            raise _no_document() from None
        except ValueError:
            return None
        return None if end == len(self._buffer) and not self._ended else (value, end)

    def _read_on(self) -> None:
        block = self._file.read(_BLOCK_CHARACTERS)
        self._ended = not block
        self._buffer = self._buffer[self._at :] + block
        self._at = 0


def _members(head: str, file: IO[str], context: ReadContext) -> Iterator[SourceRow]:
    text = head + file.read(context.limits.document_bytes)
    if len(text) > context.limits.document_bytes:
        message = "an object is read whole, and this one is too large; write a list or JSON Lines"
        raise Invalid(message, code="document_too_large")
    parser = JsonParser()
    try:
        document = parser.parse(text)
    except (ValueError, RecursionError):
        raise _no_document() from None
    if isinstance(document, RepeatedMembers):
        raise _repeated()
    if _is_squad(document):
        if parser.repeated:
            raise _repeated()
        yield from squad_rows(document, context)
        return
    filled = [value for value in document.values() if isinstance(value, list) and value]
    lists = [value for value in filled if _holds_objects(value)] or filled
    if len(lists) != 1:
        raise Invalid(f"the document is none of: {_LAYOUTS}", code="invalid_layout")
    for number, value in enumerate(lists[0], start=1):
        row = context.object_row(number, value, repeated=parser.repeated and has_repeated(value))
        if row is not None:
            yield row


def _is_squad(document: dict[str, Any]) -> bool:
    data = document.get("data")
    return isinstance(data, list) and any(
        isinstance(each, dict) and "paragraphs" in each for each in data
    )


def _holds_objects(value: list[Any]) -> bool:
    return any(isinstance(each, dict) for each in value)


def _repeated() -> Invalid:
    message = "an object of the document names a member twice; keep the one that is meant"
    return Invalid(message, code="duplicate_key")


def _no_document() -> Invalid:
    return Invalid("the file is not one JSON document", code="invalid_json")
