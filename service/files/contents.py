"""Checks of a data file's bytes while they are streamed. Pure."""

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from service.errors import Fault, Invalid

if TYPE_CHECKING:  # readers in processes of their own do without
    from service.settings import Settings

HEAD_BYTES = 16
_WIDE_CHARACTERS = 3  # fewer prove nothing
# UTF-32 comes first: its mark begins with that of UTF-16.
_WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WIDE_BLANKS = b" \t\r\n\0\xff\xfe"


class TooLarge(Invalid):
    status = 413
    default_code = "too_large"
    title = "The data is larger than allowed"


@dataclass(frozen=True, slots=True)
class FileLimits:
    """`upload_bytes` bounds a file as sent and as expanded, `line_bytes` one line of it."""

    upload_bytes: int
    line_bytes: int


def file_limits(settings: "Settings") -> FileLimits:
    """Return the limits that the settings ask for."""
    return FileLimits(settings.upload_bytes_limit, settings.line_bytes_limit)


def limited(chunks: Iterable[bytes], *, limit_bytes: int) -> Iterator[bytes]:
    """Yield the chunks; raise TooLarge once they are more than the limit."""
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        if seen > limit_bytes:
            raise TooLarge(f"a file may hold {limit_bytes} bytes; split it")
        yield chunk


def with_head(chunks: Iterable[bytes], size: int = HEAD_BYTES) -> tuple[bytes, Iterator[bytes]]:
    """Return the first chunks in one, `size` bytes or all there are, and all of it again."""
    source = iter(chunks)
    head = b""
    while len(head) < size and (chunk := next(source, None)) is not None:
        head += chunk
    return head, chain([head], source) if head else source


def wide_encoding(head: bytes) -> str:
    """Return the UTF-16 or UTF-32 that a file begins in, empty where it begins in neither.

    A byte order mark says so, or that every other byte of the first sixteen is NUL.
    """
    marked = next((name for mark, name in _WIDE_MARKS.items() if head.startswith(mark)), "")
    first, second = head[:HEAD_BYTES:2], head[1:HEAD_BYTES:2]
    if marked or min(len(first), len(second)) < _WIDE_CHARACTERS:
        return marked
    if all(first) and not any(second):
        return "utf-16-le"
    return "utf-16-be" if all(second) and not any(first) else ""


def checked_text(
    chunks: Iterable[bytes], *, line_bytes: int | None, utf8: bool = True
) -> Iterator[bytes]:
    """Yield the bytes unchanged while they are text with something in it.

    `utf8` False leaves the encoding to who reads the text: nothing is decoded, and NUL bytes of
    UTF-16 and UTF-32 are their own. `line_bytes` None allows lines of any length.
    Raises Invalid with the line as its fault: `empty_file`, `not_text` at a NUL byte,
    `wrong_encoding` with the byte's offset, `line_too_long`.
    """
    head, whole = with_head(chunks)
    check = _TextCheck(line_bytes, utf8=utf8, wide=wide_encoding(head))
    for chunk in whole:
        check.feed(chunk)
        yield chunk
    check.finish()


class _TextCheck:
    """Counts offsets and lines over chunks that may cut a character in two."""

    def __init__(self, line_bytes: int | None, *, utf8: bool, wide: str) -> None:
        self._line_bytes = line_bytes
        self._utf8 = utf8
        self._wide = wide
        self._tail = b""  # the beginning of a character whose end has not come
        self._offset = 0  # of the tail
        self._lines = 0
        self._line_length = 0
        self._blank = True

    def feed(self, chunk: bytes) -> None:
        data = self._tail + chunk
        self._refuse_binary(data)
        self._tail = data[self._decodable(data) :]
        whole = data[: len(data) - len(self._tail)]
        self._measure_lines(whole)
        self._blank = self._blank and not self._filled(whole)
        self._offset += len(whole)

    def _filled(self, data: bytes) -> bool:
        if self._wide:
            return bool(data.strip(_WIDE_BLANKS))
        return bool(data.removeprefix(codecs.BOM_UTF8).strip())

    def finish(self) -> None:
        if self._tail:
            raise self._wrong_encoding(self._tail, 0)
        if self._blank:
            raise Invalid("the file is empty", code="empty_file")

    def _refuse_binary(self, data: bytes) -> None:
        if self._utf8 and self._wide:
            raise self._wrong_encoding(data, 0)
        at = -1 if self._wide else data.find(b"\0")
        if at >= 0:
            message = (
                f"byte {self._offset + at} is NUL: this is no text, or UTF-16 without a byte order "
                "mark; save the file as UTF-8"
            )
            raise self._refusal("not_text", message, data[:at])

    def _decodable(self, data: bytes) -> int:
        """Return how many bytes are whole characters; raise when one can never become whole."""
        if not self._utf8:
            return len(data)
        try:
            data.decode()
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                raise self._wrong_encoding(data, error.start) from None
            return error.start
        return len(data)

    def _wrong_encoding(self, data: bytes, at: int) -> Invalid:
        found = f", the file is {self._wide.upper()}" if self._wide else ""
        message = f"byte {self._offset + at} is not UTF-8{found}; save the file as UTF-8"
        return self._refusal("wrong_encoding", message, data[:at])

    def _measure_lines(self, data: bytes) -> None:
        if self._line_bytes is None:
            self._lines += data.count(b"\n")
            return
        *ended, rest = data.split(b"\n")
        for line in ended:
            self._lengthen(line)
            self._lines += 1
            self._line_length = 0
        self._lengthen(rest)

    def _lengthen(self, part: bytes) -> None:
        self._line_length += len(part)
        if self._line_bytes is not None and self._line_length > self._line_bytes:
            message = (
                f"a line may hold {self._line_bytes} bytes; shorten or split it, or raise "
                "TUNECURVE_LINE_BYTES_LIMIT"
            )
            raise self._refusal("line_too_long", message, b"")

    def _refusal(self, code: str, message: str, before: bytes) -> Invalid:
        line = self._lines + before.count(b"\n") + 1
        fault = Fault(f"row {line}", code, message)
        return Invalid(f"row {line}: {message}", code=code, faults=[fault])
