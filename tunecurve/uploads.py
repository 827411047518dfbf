"""What an upload says about a file: its media type and its digest."""

import base64
import hashlib
from pathlib import Path

from tunecurve.errors import UsageError

_MEDIA_TYPES = {
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".gz": "application/gzip",
    ".zst": "application/zstd",
}


def media_type_of(path: Path) -> str:
    """Return the media type by the file's suffix; raises UsageError naming the known ones."""
    media_type = _MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None:
        known = ", ".join(sorted(_MEDIA_TYPES))
        raise UsageError(f"{path} has no suffix that tells what it is; known: {known}")
    return media_type


def content_digest(path: Path) -> str:
    """Return the file's `Content-Digest` (RFC 9530), read once without holding it in memory."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return f"sha-256=:{base64.b64encode(digest).decode()}:"
