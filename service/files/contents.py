"""What a data file's bytes must be, checked as they stream by. Pure."""

import codecs
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from service.errors import Fault, Invalid

GZIP_MAGIC = b"\x1f\x8b"
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PIECE_BYTES = 1 << 20


class TooLarge(Invalid):
    status = 413
    default_code = "too_large"
    title = "The data is larger than allowed"


@dataclass(frozen=True, slots=True)
class FileLimits:
    """`upload_bytes` bounds a file as sent and as expanded, `line_bytes` one line of it."""

    upload_bytes: int
    line_bytes: int


def limited(chunks: Iterable[bytes], *, limit_bytes: int) -> Iterator[bytes]:
    """Yield the chunks; raise TooLarge once they are more than the limit."""
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        if seen > limit_bytes:
            raise TooLarge(f"a file may hold {limit_bytes} bytes; split it")
        yield chunk


def expanded(chunks: Iterable[bytes], *, limit_bytes: int) -> Iterator[bytes]:
    """Yield the bytes as they are, or what is inside when they are gzip.

    Never holds more than 1 MiB of what a small bomb would expand to. Raises TooLarge past the
    limit, Invalid `invalid_gzip` for a damaged or cut-off file.
    """
    first, rest = _head(chunks)
    whole = chain([first], rest) if first else rest
    if first.startswith(GZIP_MAGIC):
        whole = _gunzip(whole)
    return limited(whole, limit_bytes=limit_bytes)


def _head(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Take chunks until there are two bytes to look at."""
    source = iter(chunks)
    head = b""
    for chunk in source:
        head += chunk
        if len(head) >= len(GZIP_MAGIC):
            break
    return head, source


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    expander = _expander()
    started = False
    for chunk in chunks:
        pending = chunk
        while pending:
            if expander.eof:  # a file may be several gzip files in a row
                expander, started = _expander(), False
            piece = _expand(expander, pending)
            started = True
            pending = expander.unconsumed_tail or expander.unused_data
            if piece:
                yield piece
    if started and not expander.eof:
        raise Invalid("the gzip file is cut off", code="invalid_gzip")


def _expander() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


def _expand(expander: "zlib._Decompress", data: bytes) -> bytes:
    try:
        return expander.decompress(data, _PIECE_BYTES)
    except zlib.error as error:
        raise Invalid("the gzip file is damaged", code="invalid_gzip") from error


def checked_text(chunks: Iterable[bytes], *, line_bytes: int | None) -> Iterator[bytes]:
    """Yield the bytes unchanged while they are UTF-8 text with something in it.

    `line_bytes` None allows lines of any length. Raises Invalid with the line as its fault:
    `empty_file`, `not_text` at a NUL byte, `wrong_encoding` with the byte's offset,
    `line_too_long`.
    """
    check = _TextCheck(line_bytes)
    for chunk in chunks:
        check.feed(chunk)
        yield chunk
    check.finish()


class _TextCheck:
    """Counts offsets and lines over chunks that may cut a character in two."""

    def __init__(self, line_bytes: int | None) -> None:
        self._line_bytes = line_bytes
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
        self._blank = self._blank and not whole.removeprefix(codecs.BOM_UTF8).strip()
        self._offset += len(whole)

    def finish(self) -> None:
        if self._tail:
            raise self._wrong_encoding(self._tail, 0)
        if self._blank:
            raise Invalid("the file is empty", code="empty_file")

    def _refuse_binary(self, data: bytes) -> None:
        if self._offset == 0 and data.startswith(_WIDE_MARKS):
            raise self._wrong_encoding(data, 0)
        at = data.find(b"\0")
        if at >= 0:
            message = f"byte {self._offset + at} is NUL: this is not a text file"
            raise self._refusal("not_text", message, data[:at])

    def _decodable(self, data: bytes) -> int:
        """Return how many bytes are whole characters; raise when one can never become whole."""
        try:
            data.decode()
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                raise self._wrong_encoding(data, error.start) from None
            return error.start
        return len(data)

    def _wrong_encoding(self, data: bytes, at: int) -> Invalid:
        message = f"byte {self._offset + at} is not UTF-8; save the file as UTF-8"
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
            raise self._refusal("line_too_long", f"a line may hold {self._line_bytes} bytes", b"")

    def _refusal(self, code: str, message: str, before: bytes) -> Invalid:
        line = self._lines + before.count(b"\n") + 1
        fault = Fault(f"row {line}", code, message)
        return Invalid(f"row {line}: {message}", code=code, faults=[fault])


def text_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of UTF-8 text with their ends, without a byte order mark.

    Lines end at a line feed only: other separators of Unicode belong to the text.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest = ""
    for chunk in chunks:
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from (f"{line}\n" for line in lines)
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest
