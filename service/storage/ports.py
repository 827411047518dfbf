"""The port of an object store: bytes under content-addressed keys, written once."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """`created` is False when the same key was there already and nothing was uploaded."""

    key: str
    uri: str
    size_bytes: int
    created: bool


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """A bucket and what we may do there, as Google's names of permissions.

    `location` is a region, dual-region or multi-region in capitals, empty where we may not see it;
    `regions` are those of a configurable dual-region.
    """

    name: str
    location: str
    regions: tuple[str, ...]
    permissions: frozenset[str]


class ObjectStore(Protocol):
    def put_file(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        """Store a file under a key unless the key exists; raises Unavailable."""
        ...

    def copy(self, key: str, to: str) -> str:
        """Copy an object inside the store, under a key that has none; return the copy's address.

        It is asked for once: after Unavailable the copy may be there, or come later. Raises
        NotFound `object_not_found`.
        """
        ...

    def open(self, key: str) -> AbstractContextManager[IO[bytes]]:
        """Open for reading; raises NotFound `object_not_found`, Unavailable."""
        ...

    def chunks(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes `start` to `end` (exclusive) in pieces of up to 1 MiB."""
        ...

    def size(self, key: str) -> int | None:
        """Return the size in bytes, or None where there is no such object."""
        ...

    def delete(self, key: str) -> None:
        """Delete; no error where there is nothing."""
        ...

    def delete_below(self, folder: str) -> None:
        """Delete all objects in a folder and the folders in it, those of others' names too."""
        ...

    def keys_below(self, folder: str) -> list[str]:
        """Return the keys of all objects in a folder and the folders in it, in their order."""
        ...

    def uri(self, key: str) -> str:
        """Return the address others know the object by: `gs://…` or `file:…`."""
        ...
