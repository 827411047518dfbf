"""Decompression of uploads: gzip and Zstandard, within a limit."""

import zlib
from collections.abc import Iterable, Iterator

from service.errors import Invalid
from service.files.contents import limited, with_head

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_PIECE_BYTES = 1 << 20
_WINDOW_BYTES = 1 << 27
# A block of four bytes may hold 128 KiB: what one step expands to stays below 16 MiB.
_ZSTD_PIECE_BYTES = 512
# Formats that are often sent but not read: the error names them, as "not text" does not help.
_ARCHIVES = {
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or save the sheet as CSV",
    b"BZh": "bzip2: compress with gzip or zstd",
    b"\xfd7zXZ": "xz: compress with gzip or zstd",
    b"%PDF": "a PDF: save its rows as CSV or JSON Lines",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet: save the sheet as CSV",
    b"SQLite format 3": "a database: export its rows as CSV or JSON Lines",
    b"ARROW1": "an Arrow file: save it as Parquet",
    GZIP_MAGIC: "compressed twice: expand it once",
    ZSTD_MAGIC: "compressed twice: expand it once",
}


def expanded(chunks: Iterable[bytes], *, limit_bytes: int) -> Iterator[bytes]:
    """Yield the bytes as they are, or what is inside when they are gzip or Zstandard.

    Never holds more than 16 MiB of what a small bomb would expand to. Raises TooLarge past the
    limit, Invalid `invalid_gzip` or `invalid_zstd` for a damaged or cut-off file.
    """
    head, whole = with_head(chunks)
    if head.startswith(GZIP_MAGIC):
        whole = _gunzip(whole)
    elif head.startswith(ZSTD_MAGIC):
        whole = _unzstd(whole)
    return limited(whole, limit_bytes=limit_bytes)


def refuse_archives(head: bytes) -> None:
    """Raise Invalid `unreadable_archive` for what, by its first bytes, holds no rows to read."""
    for beginning, name in _ARCHIVES.items():
        if head.startswith(beginning):
            raise Invalid(f"the file is {name}", code="unreadable_archive")


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    expander = _gzip_expander()
    started = False
    for chunk in chunks:
        pending = chunk
        while pending:
            if expander.eof:  # a file may be several gzip files in a row
                expander, started = _gzip_expander(), False
            piece = _expand_gzip(expander, pending)
            started = True
            pending = expander.unconsumed_tail or expander.unused_data
            if piece:
                yield piece
    if started and not expander.eof:
        raise Invalid("the gzip file is cut off", code="invalid_gzip")


def _gzip_expander() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


def _expand_gzip(expander: "zlib._Decompress", data: bytes) -> bytes:
    try:
        return expander.decompress(data, _PIECE_BYTES)
    except zlib.error as error:
        raise Invalid("the gzip file is damaged", code="invalid_gzip") from error


def _unzstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what frames hold; a window may have at most 128 MiB."""
    import zstandard

    context = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
    expander = context.decompressobj()
    for each in _cut(chunks):
        pending = each
        while pending:
            if expander.eof:  # a file may be several frames in a row
                expander = context.decompressobj()
            try:
                piece = expander.decompress(pending)
            except zstandard.ZstdError as error:
                message = "the Zstandard file is damaged, or its window is over 128 MiB"
                raise Invalid(message, code="invalid_zstd") from error
            pending = expander.unused_data
            if piece:
                yield piece
    if not expander.eof:
        raise Invalid("the Zstandard file is cut off", code="invalid_zstd")


def _cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for begin in range(0, len(chunk), _ZSTD_PIECE_BYTES):
            yield chunk[begin : begin + _ZSTD_PIECE_BYTES]
