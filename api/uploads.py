"""Uploads: what a request says about its body, and the body as blocking chunks."""

import base64
import binascii
import json
import re
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import chain
from pathlib import PurePath

from anyio import from_thread

from service.errors import Fault, Invalid
from service.files.contents import GZIP_MAGIC
from service.files.schemas import FileFormat

_GZIP = frozenset({"application/gzip", "application/x-gzip"})
_FORMATS = {
    "application/x-ndjson": FileFormat.JSONL,
    "application/jsonl": FileFormat.JSONL,
    "text/csv": FileFormat.CSV,
    "application/json": FileFormat.JSON,
}
MEDIA_TYPES = (*_FORMATS, "application/gzip")
_SUFFIXES = {
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
    ".csv": FileFormat.CSV,
    ".json": FileFormat.JSON,
}
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):\s*(?=,|;|$)")
_SHA256_BYTES = 32
_LOOK_BYTES = 64 * 1024


class UnsupportedMediaType(Invalid):
    status = 415
    default_code = "unsupported_media_type"
    title = "Unsupported media type"


def blocking_chunks(stream: AsyncIterator[bytes]) -> Iterator[bytes]:
    """Yield a request's body as it arrives, from a route's thread; nothing is held."""

    async def following() -> bytes | None:
        return await anext(stream, None)

    while (chunk := from_thread.run(following)) is not None:
        if chunk:
            yield chunk


def format_of(
    content_type: str, name: str, chunks: Iterator[bytes]
) -> tuple[FileFormat, Iterable[bytes]]:
    """Return how the rows are written, and the chunks again.

    gzip does not say what is inside: the name does, or else the first bytes.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in _FORMATS:
        return _FORMATS[media_type], chunks
    if media_type not in _GZIP:
        message = f"send the file's bytes with a Content-Type of: {', '.join(MEDIA_TYPES)}"
        raise UnsupportedMediaType(message)
    suffix = PurePath(name.lower().removesuffix(".gz")).suffix
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix], chunks
    head = next(chunks, b"")
    return sniffed(head), chain([head], chunks)


def sniffed(head: bytes) -> FileFormat:
    """Return the format of a gzip file by how its text begins."""
    text = _begin(head).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith((b"{", b"[")):
        return FileFormat.CSV
    line, ended, _rest = text.partition(b"\n")
    return FileFormat.JSONL if ended and _is_object(line) else FileFormat.JSON


def _begin(head: bytes) -> bytes:
    if not head.startswith(GZIP_MAGIC):
        return head
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, _LOOK_BYTES)
    except zlib.error:
        return b""  # whoever reads the file says what is wrong with it


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def digest_of(content_digest: str | None) -> str | None:
    """Return the SHA-256 of a Content-Digest (RFC 9530) in hexadecimal, or None without one."""
    if content_digest is None:
        return None
    found = _DIGEST.search(content_digest)
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        digest = b""
    if len(digest) != _SHA256_BYTES:
        message = "write the digest as Content-Digest: sha-256=:<base64 of 32 bytes>:"
        fault = Fault("Content-Digest", "invalid_digest", message)
        raise Invalid(message, code="invalid_digest", faults=[fault])
    return digest.hex()
