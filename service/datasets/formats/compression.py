"""Files as sent and what is inside: gzip and Zstandard, expanded within a limit."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from service.errors import Invalid
from service.files.contents import GZIP_MAGIC, expanded, limited

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_PIECE_BYTES = 1 << 20
_WINDOW_BYTES = 1 << 27
# A block of four bytes may hold 128 KiB: what one step expands to stays below 64 MiB.
_ZSTD_PIECE_BYTES = 2048
# What people send and nothing here reads: said by name, since "not UTF-8" helps nobody.
_ARCHIVES = {
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or save the sheet as CSV",
    b"BZh": "bzip2: compress with gzip or zstd",
    b"\xfd7zXZ": "xz: compress with gzip or zstd",
    b"%PDF": "a PDF: save its rows as CSV or JSON Lines",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet: save the sheet as CSV",
    b"SQLite format 3": "a database: export its rows as CSV or JSON Lines",
    b"ARROW1": "an Arrow file: save it as Parquet",
}


def keep_plain(chunks: Iterable[bytes], *, folder: Path, limit_bytes: int) -> Path:
    """Write a source's bytes, expanded once, to a file in the folder and return its path.

    `limit_bytes` bounds both what comes and what it expands to. Raises TooLarge, Invalid
    `invalid_gzip`, `invalid_zstd`, `unreadable_archive`, `empty_file`.
    """
    sent, plain = folder / "sent", folder / "plain"
    with sent.open("wb") as file:
        file.writelines(limited(chunks, limit_bytes=limit_bytes))
    with sent.open("rb") as file:
        magic = file.read(16)
        file.seek(0)
        pieces = _pieces(file, magic, limit_bytes)
        if pieces is None:
            shutil.move(sent, plain)
        else:
            with plain.open("wb") as target:
                target.writelines(pieces)
            sent.unlink()
    with plain.open("rb") as file:
        _refuse_archives(file.read(16))
    return plain


def _pieces(file: IO[bytes], magic: bytes, limit_bytes: int) -> Iterator[bytes] | None:
    """Return what is inside, or None where the bytes are not compressed."""
    if magic.startswith(GZIP_MAGIC):
        return expanded(iter(lambda: file.read(_PIECE_BYTES), b""), limit_bytes=limit_bytes)
    if magic.startswith(_ZSTD_MAGIC):
        return limited(_unzstd(file), limit_bytes=limit_bytes)
    return None


def _unzstd(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what frames hold; one may not ask for a window of more than 128 MiB."""
    import zstandard

    context = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
    expander = context.decompressobj()
    while pending := file.read(_ZSTD_PIECE_BYTES):
        while pending:
            if expander.eof:  # a file may be several frames in a row
                expander = context.decompressobj()
            try:
                yield expander.decompress(pending)
            except zstandard.ZstdError as error:
                message = "the Zstandard file is damaged, or its window is over 128 MiB"
                raise Invalid(message, code="invalid_zstd") from error
            pending = expander.unused_data
    if not expander.eof:
        raise Invalid("the Zstandard file is cut off", code="invalid_zstd")


def _refuse_archives(magic: bytes) -> None:
    if not magic:
        raise Invalid("the file is empty", code="empty_file")
    for beginning, name in _ARCHIVES.items():
        if magic.startswith(beginning):
            raise Invalid(f"the file is {name}", code="unreadable_archive")
    if magic.startswith((GZIP_MAGIC, _ZSTD_MAGIC)):
        message = "the file is compressed twice; expand it once"
        raise Invalid(message, code="unreadable_archive")
