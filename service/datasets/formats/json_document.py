"""One JSON document: a list of objects, an object with such a list, or SQuAD's layout."""

import io
import json
import re
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
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
from service.datasets.row_faults import FaultLog
from service.errors import Invalid

_BLOCK_CHARACTERS = 1 << 20
_DOCUMENT_MEMORY = 1 << 30
_TEXT = r'"(?:[^"\\]|\\.)*+"'
# Members whose values are no lists of objects, and the beginning of a list of them.
_LIST_OF_OBJECTS = re.compile(
    rf"\s*\{{(?:\s*{_TEXT}\s*:\s*(?:{_TEXT}|[-+.\w]++|\{{[^{{}}\[\]]*+\}}|\[[^{{}}\[\]]*+\])\s*,)*+"
    rf"\s*{_TEXT}\s*:\s*\[(?=\s*\{{)"
)
_ARTICLES = re.compile(rf'\s*\{{(?:\s*{_TEXT}\s*:\s*{_TEXT}\s*,)*+\s*"paragraphs"')
_LAYOUTS = "a list of objects, an object with one list of objects, or SQuAD's layout"


def json_rows(file: IO[str], context: ReadContext) -> Iterator[SourceRow]:
    """Yield the rows and note the faults; a list is read element by element.

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


def _faulty_elements(text: str, context: ReadContext) -> JsonList | None:
    """Return the list of rows in an object that is not JSON, where some of its elements are not.

    None where the list is not found, or where the fault is elsewhere, and for SQuAD's articles.
    """
    found = _LIST_OF_OBJECTS.match(text)
    if found is None or _ARTICLES.match(text, found.end()):
        return None

    def elements(log: FaultLog) -> JsonList:
        rest, line = io.StringIO(text[found.end() :]), 1 + text.count("\n", 0, found.end())
        return JsonList(rest, replace(context, log=log), line=line, alone=False)

    noted = FaultLog()
    deque(elements(noted).values(), maxlen=0)
    return elements(context.log) if noted.total else None


def _members(head: str, file: IO[str], context: ReadContext) -> Iterator[SourceRow]:
    text = head + _read_whole(file, context.limits.document_bytes)
    _refuse_large(text)
    parser = JsonParser()
    try:
        document = parser.parse(text)
    except (ValueError, RecursionError) as error:
        faulty = _faulty_elements(text, context)
        if faulty is None:
            raise _no_document(error) from None
        yield from _rows(faulty, context)
        return
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
    if lists > 1:
        return f"the document holds {lists} lists; write one list of objects, the one that is meant"
    if document and all(isinstance(value, dict) for value in document.values()):
        return (
            "the document holds objects in an object: a table by columns, as pandas writes it? "
            "write one object a row (`orient='records'`)"
        )
    return f"the document is none of: {_LAYOUTS}"


def _read_whole(file: IO[str], limit: int) -> str:
    """Return the text, read in blocks: asked for the limit, a file would set it aside at once."""
    blocks, size = [], 0
    while size <= limit and (block := file.read(_BLOCK_CHARACTERS)):
        blocks.append(block)
        size += len(block)
    if size > limit:
        message = "an object is read whole, and this one is too large; write a list or JSON Lines"
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


def _holds_objects(value: list[Any]) -> bool:
    return any(isinstance(each, dict) for each in value)


def _repeated() -> Invalid:
    message = "an object of the document names a member twice; keep the one that is meant"
    return Invalid(message, code="duplicate_key")


def _no_document(error: Exception) -> Invalid:
    fault = json_fault(error, first_line=1)
    if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
        fault = (
            f"line {error.lineno}: a document follows the first; write one list, or say "
            "`name: jsonl` in the format if each is one line"
        )
    return Invalid(f"the file is not one JSON document: {fault}", code="invalid_json")
