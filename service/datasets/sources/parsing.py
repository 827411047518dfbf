"""From bytes of a named format to rows."""

from collections.abc import Iterable, Iterator

from service.datasets.formats.registry import READERS
from service.datasets.formats.rows import SourceRow
from service.errors import Fault, NotFound
from service.files.contents import FileLimits, checked_text, expanded


def rows_of(
    chunks: Iterable[bytes], *, format_name: str, limits: FileLimits
) -> Iterator[SourceRow]:
    """Yield the rows in bytes that may be gzipped; raises Invalid, TooLarge."""
    reader = READERS.find(format_name)
    text = checked_text(
        expanded(chunks, limit_bytes=limits.upload_bytes),
        line_bytes=None if format_name == "json" else limits.line_bytes,
    )
    return reader(text)


def missing_input(what: str, *, pointer: str) -> NotFound:
    """Return the error for a source that is not there."""
    fault = Fault(pointer, "input_not_found", what)
    return NotFound(what, code="input_not_found", faults=[fault])
