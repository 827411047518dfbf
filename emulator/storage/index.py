"""What is known of all stored objects, kept on disk: 100,000 of them take no memory to speak of."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from emulator.documents import Documents
from emulator.storage.objects import StoredObject

_SEPARATOR = "\n"
"""Between bucket and name in a key; a bucket's name has none."""


class ObjectIndex:
    """The live generation of each object by bucket and name."""

    def __init__(self, path: Path) -> None:
        self._documents = Documents(path)

    def close(self) -> None:
        self._documents.close()

    def clear(self) -> None:
        self._documents.clear()

    def find(self, bucket: str, name: str) -> StoredObject | None:
        document = self._documents.get(f"{bucket}{_SEPARATOR}{name}")
        return StoredObject(**document) if document else None

    def put(self, stored: StoredObject, *, payload: str) -> None:
        """Record an object; `payload` names the file with its bytes."""
        key = f"{stored.bucket}{_SEPARATOR}{stored.name}"
        self._documents.put(key, asdict(stored), tag=payload)

    def delete(self, stored: StoredObject) -> None:
        self._documents.delete(f"{stored.bucket}{_SEPARATOR}{stored.name}")

    def names(self, bucket: str, *, prefix: str = "", after: str = "") -> Iterator[str]:
        """Yield in order the names with the prefix that come after a name."""
        start = f"{bucket}{_SEPARATOR}"
        for key in self._documents.keys(prefix=start + prefix, after=start + after):
            yield key.removeprefix(start)

    def payloads(self) -> set[str]:
        return set(self._documents.tags())
