"""Uploads: what a request says about its body, and the body as a file."""

import base64
import binascii
import json
import re
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import PurePath
from typing import IO

from starlette.concurrency import run_in_threadpool

from service.errors import Fault, Invalid
from service.files.compression import GZIP_MAGIC, ZSTD_MAGIC, expanded
from service.files.operations import CONTENT_TYPES, PARQUET_MAGIC
from service.files.schemas import FileFormat

_FORMATS = {media_type: each for each, media_type in CONTENT_TYPES.items()} | {
    "application/jsonl": FileFormat.JSONL
}
# Types that say nothing of the row format: the name's suffix or the first bytes decide.
_GENERIC = (
    "application/gzip",
    "application/x-gzip",
    "application/zstd",
    "application/octet-stream",
)
MEDIA_TYPES = (*_FORMATS, *(each for each in _GENERIC if "/x-" not in each))
_SUFFIXES = {f".{each}": each for each in FileFormat} | {".ndjson": FileFormat.JSONL}
_PACKED = (".gz", ".zst")
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):\s*(?=,|;|$)")
_SHA256_BYTES = 32
_SNIFF_BYTES = 64 * 1024
_CHUNK_BYTES = 256 * 1024
_MEMORY_BYTES = 1 << 20  # a larger body goes to the disk
_ALL_BYTES = 1 << 62


class UnsupportedMediaType(Invalid):
    status = 415
    default_code = "unsupported_media_type"
    title = "Unsupported media type"


@asynccontextmanager
async def spooled(stream: AsyncIterator[bytes]) -> AsyncGenerator[IO[bytes]]:
    """Yield a request's whole body as a temporary file.

    The event loop waits for the client: a slow upload holds no thread of the pool.
    """
    with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as body:
        async for chunk in stream:
            await run_in_threadpool(body.write, chunk)
        yield body


def chunks_of(body: IO[bytes]) -> Iterator[bytes]:
    """Yield the body from its beginning."""
    body.seek(0)
    return iter(partial(body.read, _CHUNK_BYTES), b"")


def declared_format(content_type: str, name: str) -> FileFormat | None:
    """Return how the rows are written by the media type or the name; None: the bytes decide.

    Raises UnsupportedMediaType.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in _FORMATS:
        return _FORMATS[media_type]
    if media_type not in _GENERIC:
        message = f"send the file's bytes with a Content-Type of: {', '.join(MEDIA_TYPES)}"
        raise UnsupportedMediaType(message)
    path = PurePath(name.lower())
    suffix = PurePath(path.stem).suffix if path.suffix in _PACKED else path.suffix
    return _SUFFIXES.get(suffix)


def format_of(body: IO[bytes]) -> FileFormat:
    """Return how the rows are written by how the body begins."""
    body.seek(0)
    return sniffed(body.read(_SNIFF_BYTES))


def sniffed(head: bytes) -> FileFormat:
    """Return the format of a file, perhaps a compressed one, by how it begins."""
    begin = _begin(head)
    if begin.startswith(PARQUET_MAGIC):
        return FileFormat.PARQUET
    text = begin.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith((b"{", b"[")):
        return FileFormat.CSV
    line, ended, _rest = text.partition(b"\n")
    return FileFormat.JSONL if ended and _is_object(line) else FileFormat.JSON


def _begin(head: bytes) -> bytes:
    """Return about the first 64 KiB of what is inside."""
    if not head.startswith((GZIP_MAGIC, ZSTD_MAGIC)):
        return head
    begin = b""
    try:
        for piece in expanded([head], limit_bytes=_ALL_BYTES):
            begin += piece
            if len(begin) >= _SNIFF_BYTES:
                break
    except Invalid:
        pass  # cut off here; other faults are reported when the file is read
    return begin


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
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
