"""Detection of a text file's encoding by its bytes; see decision 0023."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK_BYTES = 1 << 20
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BROKEN = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")
# Bytes that Windows-1252 gives no character to.
_NOT_WINDOWS = re.compile("[\udc81\udc8d\udc8f\udc90\udc9d]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """`sound`: every byte was seen to be part of a character."""

    name: str
    validated: bool


def detect_encoding(path: Path) -> Encoding:
    """Return `utf-8-sig`, `utf-16`, `cp1252` or `latin-1`.

    A byte order mark decides. Otherwise it is UTF-8, even if damaged; only if invalid bytes
    outnumber the valid characters beyond ASCII, an encoding of one byte a character is returned.
    """
    if _is_utf8(path):
        return Encoding("utf-8-sig", validated=True)
    with path.open("rb") as file:
        head = file.read(4)
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return Encoding(name, validated=False)
    return _by_counting(path)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in _blocks(path):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _by_counting(path: Path) -> Encoding:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    broken = beyond = undefined = 0
    for block in _blocks(path):
        if block.isascii():
            continue
        text = decoder.decode(block)
        broken += len(_BROKEN.findall(text))
        beyond += len(_BEYOND_ASCII.findall(text))
        undefined += len(_NOT_WINDOWS.findall(text))
    if broken <= beyond:
        return Encoding("utf-8-sig", validated=False)
    return Encoding("latin-1" if undefined else "cp1252", validated=True)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_BLOCK_BYTES), b"")
