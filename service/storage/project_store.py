"""One store as seen by several identities: each project's objects are reached as its own."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from service.storage.object_keys import project_of_key
from service.storage.ports import ObjectStore, StoredObject


class ProjectStore:
    """An ObjectStore that asks, for each key, the store of the project whose key it is.

    `store_of` takes a project's id, or an empty one for keys of no project.
    """

    def __init__(self, store_of: Callable[[str], ObjectStore]) -> None:
        self._store_of = store_of

    def put_file(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        return self._of(key).put_file(key, path, content_type=content_type)

    def copy(self, key: str, to: str) -> str:
        return self._of(to).copy(key, to)

    def open(self, key: str) -> AbstractContextManager[IO[bytes]]:
        return self._of(key).open(key)

    def chunks(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        return self._of(key).chunks(key, start=start, end=end)

    def size(self, key: str) -> int | None:
        return self._of(key).size(key)

    def delete(self, key: str) -> None:
        self._of(key).delete(key)

    def delete_below(self, folder: str) -> None:
        self._of(folder).delete_below(folder)

    def keys_below(self, folder: str) -> list[str]:
        return self._of(folder).keys_below(folder)

    def uri(self, key: str) -> str:
        return self._store_of("").uri(key)

    def _of(self, key: str) -> ObjectStore:
        return self._store_of(project_of_key(key))
