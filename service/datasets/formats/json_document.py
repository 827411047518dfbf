"""One JSON document: a list of objects, an object with such a list, or SQuAD's layout."""

import json
import re
import sys
from collections.abc import Iterator
from typing import IO, Any

from service.datasets.formats.json_list import BETWEEN, JsonList
from service.datasets.formats.read_context import ReadContext
from service.datasets.formats.rows import (
    JsonParser,
    RepeatedMembers,
    SourceRow,
    has_repeated,
    json_fault,
)
from service.datasets.formats.squad_json import squad_rows
from service.errors import Invalid

_BLOCK_CHARACTERS = 1 << 20
_DOCUMENT_MEMORY = 1 << 30
_TEXT = r'"(?:[^"\\]|\\.)*+"'
# Members whose values are no lists of objects, and the beginning of a list of them.
_MEMBERS = (
    rf"\s*\{{(?:\s*{_TEXT}\s*:\s*(?:{_TEXT}|[-+.\w]++|\{{[^{{}}\[\]]*+\}}|\[[^{{}}\[\]]*+\])\s*,)*+"
)
_LIST_OF_OBJECTS = re.compile(rf"{_MEMBERS}\s*{_TEXT}\s*:\s*\[(?=\s*\{{)")
_ARTICLES = re.compile(rf'{_MEMBERS}\s*"paragraphs"')
_LAYOUTS = "a list of objects, an object with one list of objects, or SQuAD's layout"


def json_rows(file: IO[str], context: ReadContext) -> Iterator[SourceRow]:
    """Yield the rows and note the faults; a list is read element by element, in an object, too.

    Raises Invalid `invalid_json`, `invalid_layout`, `document_too_large`.
    """
    head = file.read(1)
    while head and head in BETWEEN + "\ufeff":
        head = file.read(1)
    if head == "[":
        return _elements(file, context)
    if head == "{":
        return _members(head, file, context)
    message = "the file is not JSON: it begins with neither a bracket nor a brace"
    raise Invalid(message, code="invalid_json")


def _elements(file: IO[str], context: ReadContext) -> Iterator[SourceRow]:
    rows = 0
    for row in _rows(JsonList(file, context), context):
        rows += 1
        yield row
    if not rows and not context.log.total:
        raise Invalid(f"the list is empty; known: {_LAYOUTS}", code="invalid_layout")


def _rows(elements: JsonList, context: ReadContext) -> Iterator[SourceRow]:
    for number, value in elements.values():
        row = context.object_row(number, value, repeated=elements.parser.repeated)
        if row is not None:
            yield row


def _members(head: str, file: IO[str], context: ReadContext) -> Iterator[SourceRow]:
    text = head + file.read(_BLOCK_CHARACTERS)
    found = _LIST_OF_OBJECTS.match(text)
    if found is None or _ARTICLES.match(text, found.end()):
        return _rows_of_whole(text, file, context)
    return _rows_of_list(found[0], text[found.end() :], file, context)


def _rows_of_list(
    before: str, begun: str, file: IO[str], context: ReadContext
) -> Iterator[SourceRow]:
    """Yield the elements of the list that `before` ends with and that `begun` continues."""
    first_line = 1 + before.count("\n")
    elements = JsonList(file, context, begun=begun, line=first_line, alone=False)
    yield from _rows(elements, context)
    if context.log.total:
        return
    later = elements.line - first_line
    after = _read_whole(elements.rest(), file, context.limits.document_bytes)
    try:
        document = JsonParser().parse(f"{before}]{after}")
    except (ValueError, RecursionError) as error:
        raise _no_document(error, first_line=1 + later) from None
    if isinstance(document, RepeatedMembers):
        raise _repeated()
    lists = 1 + sum(_holds_objects(each) for each in document.values() if isinstance(each, list))
    if lists > 1:
        raise Invalid(_advice(document, lists), code="invalid_layout")


def _rows_of_whole(text: str, file: IO[str], context: ReadContext) -> Iterator[SourceRow]:
    text = _read_whole(text, file, context.limits.document_bytes)
    _refuse_large(text)
    parser = JsonParser()
    try:
        document = parser.parse(text)
    except (ValueError, RecursionError) as error:
        raise _no_document(error) from None
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
        raise Invalid(_advice(document, len(lists)), code="invalid_layout")
    for number, value in enumerate(lists[0], start=1):
        row = context.object_row(number, value, repeated=parser.repeated and has_repeated(value))
        if row is not None:
            yield row


def _advice(document: dict[str, Any], lists: int) -> str:
    if lists > 1 and not any(map(_holds_objects, filter(_is_list, document.values()))):
        return (
            "the document holds a table as lists of columns or cells, as pandas writes it; write "
            "one object a row (`orient='records'`)"
        )
    if lists > 1:
        return f"the document holds {lists} lists; write one list of objects, the one that is meant"
    if document and all(isinstance(value, dict) for value in document.values()):
        return (
            "the document holds objects in an object: a table by columns, as pandas writes it? "
            "write one object a row (`orient='records'`)"
        )
    return f"the document is none of: {_LAYOUTS}"


def _read_whole(begun: str, file: IO[str], limit: int) -> str:
    """Return the text, read in blocks: asked for the limit, a file would set it aside at once."""
    blocks, size = [begun], len(begun)
    while size <= limit and (block := file.read(_BLOCK_CHARACTERS)):
        blocks.append(block)
        size += len(block)
    if size > limit:
        message = (
            "all but a list of rows is read whole, and is too large; write a list or JSON Lines"
        )
        raise Invalid(message, code="document_too_large")
    return "".join(blocks)


def _refuse_large(text: str) -> None:
    """Refuse a document by its marks, before anything is built of it.

    Python needs up to 184 bytes for an object, 60 for each of its members or an element, and the
    text once more.
    """
    marks = 184 * (text.count("{") + text.count("[")) + 60 * (text.count(",") + text.count(":"))
    if marks + 2 * sys.getsizeof(text) > _DOCUMENT_MEMORY:
        message = (
            f"an object is read whole, and this one may need {(marks >> 20) + 1} MB; write a list "
            "or JSON Lines"
        )
        raise Invalid(message, code="document_too_large")


def _is_squad(document: dict[str, Any]) -> bool:
    data = document.get("data")
    return isinstance(data, list) and any(
        isinstance(each, dict) and "paragraphs" in each for each in data
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _holds_objects(value: list[Any]) -> bool:
    return any(isinstance(each, dict) for each in value)


def _repeated() -> Invalid:
    message = "an object of the document names a member twice; keep the one that is meant"
    return Invalid(message, code="duplicate_key")


def _no_document(error: Exception, *, first_line: int = 1) -> Invalid:
    fault = json_fault(error, first_line=first_line)
    if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
        place = f"line {first_line + error.lineno - 1}"
        fault = (
            f"{place}: a document follows the first; write one list, or say `name: jsonl` in the "
            "format if each is one line"
        )
    return Invalid(f"the file is not one JSON document: {fault}", code="invalid_json")
