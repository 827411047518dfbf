"""JSON Lines: one object a line."""

from collections.abc import Iterator

from service.datasets.formats.lines import note_long_line
from service.datasets.formats.read_context import ReadContext
from service.datasets.formats.rows import JsonParser, SourceRow

_NOT_AN_OBJECT = 'the line is not a JSON object; write one {"column": "text"} a line'


def jsonl_rows(block: bytes, number: int, context: ReadContext) -> Iterator[SourceRow]:
    """Yield the objects of a block of lines, the first of which has the number; note the faults.

    Blank lines are passed over.
    """
    parser = JsonParser()
    for line_number, line in enumerate(block.split(b"\n"), start=number):
        if not line or line.isspace():
            continue
        if len(line) > context.limits.row_bytes:
            note_long_line(line_number, context)
            continue
        row = _row(line_number, line, parser, context)
        if row is not None:
            yield row


def _row(number: int, line: bytes, parser: JsonParser, context: ReadContext) -> SourceRow | None:
    try:
        record = parser.parse(line.decode())
    except UnicodeDecodeError:
        message = "bytes that are not UTF-8, perhaps cut off inside a character; save as UTF-8"
        context.log.add(number, "wrong_encoding", message)
    except (ValueError, RecursionError):
        context.log.add(number, "invalid_json_row", _NOT_AN_OBJECT)
    else:
        return context.object_row(number, record, repeated=parser.repeated)
    return None
