"""JSON Lines: one object a line."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from service.datasets.faults import RowFaults
from service.datasets.formats.rows import SourceRow, refuse_half_characters
from service.files.contents import text_lines


def read_jsonl(chunks: Iterable[bytes]) -> Iterator[SourceRow]:
    """Yield the objects; a row's number is that of its line, and blank lines are passed over."""
    faults = RowFaults()
    for number, line in enumerate(text_lines(chunks), start=1):
        if not line.strip():
            continue
        record = _parse(line)
        if record is None:
            faults.add(number, "invalid_json_row", "the line is not a JSON object")
            continue
        fields = {key: as_text(value) for key, value in record.items()}
        if not refuse_half_characters(number, [*fields, *fields.values()], faults=faults):
            yield SourceRow(number, fields)
    faults.finish()


def _parse(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def as_text(value: Any) -> str:
    """Return a JSON value as a field: text as it is, null as nothing, the rest as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
