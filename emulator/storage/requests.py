"""Query parameters, headers and bodies of storage requests as values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

from starlette.requests import Request

from emulator.errors import StorageError
from emulator.storage.objects import Draft, Preconditions

PROPERTIES = (
    "contentType",
    "contentEncoding",
    "contentDisposition",
    "contentLanguage",
    "cacheControl",
)
_DEFAULT_CONTENT_TYPE = "application/octet-stream"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


def base_url_of(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """Return a query parameter as an integer, None when absent. Raises StorageError 400."""
    text = query.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"-?\d{1,19}", text):
        raise StorageError(400, f"Invalid argument: {name}.", reason="invalid")
    return int(text)


def read_preconditions(query: Mapping[str, str]) -> Preconditions:
    return Preconditions(
        generation_match=whole_number(query, "ifGenerationMatch"),
        generation_not_match=whole_number(query, "ifGenerationNotMatch"),
        metageneration_match=whole_number(query, "ifMetagenerationMatch"),
        metageneration_not_match=whole_number(query, "ifMetagenerationNotMatch"),
    )


def read_draft(
    document: Mapping[str, Any], *, bucket: str, name: str | None, content_type: str
) -> Draft:
    """Return the object an upload describes; its own content type wins over the request's."""
    properties = read_properties(document)
    properties.setdefault("contentType", content_type or _DEFAULT_CONTENT_TYPE)
    return Draft(
        bucket=bucket,
        name=str(name or document.get("name") or ""),
        properties=properties,
        metadata=read_metadata(document),
        crc32c=document.get("crc32c"),
        md5=document.get("md5Hash"),
    )


def read_properties(document: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(document[name]) for name in PROPERTIES if document.get(name) is not None}


def read_metadata(document: Mapping[str, Any]) -> dict[str, str]:
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise StorageError(400, "metadata must be an object of strings.", reason="invalid")
    return {str(key): str(value) for key, value in metadata.items() if value is not None}


def read_hashes(header: str) -> dict[str, str]:
    """Return `{"crc32c": ..., "md5": ...}` out of an `X-Goog-Hash` header."""
    pairs = (piece.strip().partition("=") for piece in header.split(","))
    return {name: value for name, _, value in pairs if value}


def read_range(header: str, *, size_bytes: int) -> tuple[int, int] | None:
    """Return the first and last byte of the range, or None for the whole object.

    A header that is no single byte range is ignored, as HTTP allows. Raises StorageError 416 when
    the range lies outside the object.
    """
    found = _RANGE.fullmatch(header)
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size_bytes - int(last)), size_bytes - 1
    else:
        start, end = int(first), min(int(last) if last else size_bytes, size_bytes - 1)
    if start > end:
        message = "The requested range cannot be satisfied."
        raise StorageError(416, message, reason="requestedRangeNotSatisfiable")
    return start, end


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Where a chunk of a resumable upload belongs.

    `first` None: how many bytes are held? `total_bytes` None with `is_whole` unset leaves the end
    open; `is_whole` is a body without the header, which is the whole object.
    """

    first: int | None
    total_bytes: int | None
    is_whole: bool = False

    def is_complete(self, held_bytes: int) -> bool:
        return self.is_whole or self.total_bytes == held_bytes


def read_content_range(header: str | None) -> ContentRange:
    if header is None:
        return ContentRange(first=0, total_bytes=None, is_whole=True)
    found = _CONTENT_RANGE.fullmatch(header)
    if found is None:
        raise StorageError(400, "Failed to parse Content-Range header.", reason="badRequest")
    first, _, total = found.groups()
    return ContentRange(
        first=None if first is None else int(first),
        total_bytes=None if total == "*" else int(total),
    )


@dataclass(frozen=True, slots=True)
class Parts:
    description: bytes
    content_type: str
    content: bytes


def split_parts(body: bytes, *, content_type: str) -> Parts:
    """Return the two parts of the body. Raises StorageError 400 when there are not two."""
    boundary = _parameter(content_type, "boundary")
    pieces = body.split(b"--" + boundary.encode()) if boundary else []
    parts = [_without_line_ends(piece) for piece in pieces[1:-1]]
    expected_parts = 2
    if len(parts) != expected_parts:
        raise StorageError(400, "Malformed multipart body.", reason="badContent")
    _, _, description = parts[0].partition(b"\r\n\r\n")
    head, _, content = parts[1].partition(b"\r\n\r\n")
    return Parts(description=description, content_type=_content_type(head), content=content)


def _parameter(content_type: str, name: str) -> str:
    message = Message()
    message["content-type"] = content_type
    value = message.get_param(name)
    return value if isinstance(value, str) else ""


def _without_line_ends(piece: bytes) -> bytes:
    return piece.removeprefix(b"\r\n").removesuffix(b"\r\n")


def _content_type(head: bytes) -> str:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-type":
            return value.strip().decode("latin-1")
    return ""
