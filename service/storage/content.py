"""Objects named by what is in them: the same bytes are stored once, whoever writes them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from service.storage.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class StoredContent:
    """A stored file; `sha256` is in hexadecimal digits and the name in `key`."""

    key: str
    uri: str
    sha256: str


def put_content(
    path: Path, *, folder: str, suffix: str, content_type: str, store: ObjectStore
) -> StoredContent:
    """Store a file as `folder/<sha256><suffix>` unless it is there already; raises Unavailable."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    stored = store.put_file(f"{folder}/{sha256}{suffix}", path, content_type=content_type)
    return StoredContent(stored.key, stored.uri, sha256)
