"""An object store in memory, with a step before what others can see of it."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from service.errors import NotFound
from service.storage.object_keys import checked_key
from service.storage.ports import StoredObject


class MemoryStore:
    """`step` is called where a process that uses the store may die or stand still."""

    def __init__(
        self,
        objects: dict[str, bytes | bytearray] | None = None,
        step: Callable[[], None] = lambda: None,
    ) -> None:
        self.objects, self._step = {} if objects is None else objects, step

    def put_file(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        content = bytearray(path.read_bytes())
        created = self.objects.setdefault(checked_key(key), content) is content
        return StoredObject(key, self.uri(key), len(content), created)

    def copy(self, key: str, to: str) -> str:
        self._step()
        self.objects[checked_key(to)] = self._existing(key)
        return self.uri(to)

    @contextmanager
    def open(self, key: str) -> Iterator[IO[bytes]]:
        yield io.BytesIO(self._existing(key))

    def chunks(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        content = self._existing(key)[start:end]
        size = 1 << 20
        return (bytes(content[at : at + size]) for at in range(0, len(content), size))

    def size(self, key: str) -> int | None:
        content = self.objects.get(checked_key(key))
        return None if content is None else len(content)

    def delete(self, key: str) -> None:
        self._step()
        self.objects.pop(checked_key(key), None)

    def delete_below(self, folder: str) -> None:
        for key in self.keys_below(folder):
            self.delete(key)

    def keys_below(self, folder: str) -> list[str]:
        self._step()
        checked_key(folder)
        return sorted(each for each in self.objects if each.startswith(f"{folder}/"))

    def uri(self, key: str) -> str:
        return f"memory:{key}"

    def _existing(self, key: str) -> bytes | bytearray:
        if checked_key(key) not in self.objects:
            raise NotFound(f"no object {key}", code="object_not_found")
        return self.objects[key]
