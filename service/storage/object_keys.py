"""Object keys: which are valid, the folders they lie in, and content-addressed ones."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from service.errors import Invalid
from service.storage.ports import ObjectStore

# The provider's folders of answers have a time in their names, and so a colon.
_KEY = re.compile(r"[A-Za-z0-9_][\w.:-]*(/[A-Za-z0-9_][\w.:-]*)*", re.ASCII)
_BY_PROJECT = ("projects", "preparing")  # folders of which each project has one
MAX_LENGTH = 200  # what the tables hold


@dataclass(frozen=True, slots=True)
class StoredContent:
    """A stored file; `sha256` is in hexadecimal digits and the name in `key`."""

    key: str
    uri: str
    sha256: str


def project_folder(project_id: str, *names: str) -> str:
    """Return the folder of a project, or one in it: nothing of two projects shares a key.

    An output keeps its objects in a folder of its own (`datasets/<id>`), so that deleting it needs
    no look at others, and takes along what an attempt that died has left.
    """
    return "/".join(("projects", project_id, *names))


def project_of_key(key: str) -> str:
    """Return the project whose folder a key or a folder lies in; empty where that is none's."""
    top, _, rest = key.partition("/")
    return rest.partition("/")[0] if top in _BY_PROJECT else ""


def put_content(
    path: Path, *, folder: str, suffix: str, content_type: str, store: ObjectStore
) -> StoredContent:
    """Store a file as `folder/<sha256><suffix>` unless it is there already; raises Unavailable."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    stored = store.put_file(f"{folder}/{sha256}{suffix}", path, content_type=content_type)
    return StoredContent(stored.key, stored.uri, sha256)


def checked_key(key: str) -> str:
    """Return the key, or raise Invalid `invalid_object_key`.

    Parts of letters, digits, `_`, `-`, `:` and `.`, none of which begins with a dot: so no key
    climbs out of its folder or its prefix, and temporary files have names no key can have.
    """
    if len(key) > MAX_LENGTH or not _KEY.fullmatch(key):
        message = "a key is up to 200 characters: names of letters, digits, _ - : . between slashes"
        raise Invalid(message, code="invalid_object_key")
    return key
