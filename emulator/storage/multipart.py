"""Reading a multipart/related upload: one part of JSON, one part of bytes."""

from dataclasses import dataclass
from email.message import Message

from emulator.errors import StorageError


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
