"""An object store in a local folder."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from service.errors import NotFound, Unavailable
from service.storage.object_keys import checked_key
from service.storage.ports import StoredObject

CHUNK_BYTES = 1 << 20


class LocalStore:
    """Objects are files below `folder`, which is made when the first one is put."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().absolute()

    def put_file(self, key: str, path: Path, *, content_type: str) -> StoredObject:  # noqa: ARG002  a file has no type
        target = self._path(key)
        created = False
        if not target.exists():
            with _as_unavailable(key):
                created = _place(path, target)
        return StoredObject(key, self.uri(key), path.stat().st_size, created)

    def copy(self, key: str, to: str) -> str:
        with _as_unavailable(to):
            _place(self._existing(key), self._path(to))
        return self.uri(to)

    @contextmanager
    def open(self, key: str) -> Iterator[IO[bytes]]:
        with self._existing(key).open("rb") as stream:
            yield stream

    def chunks(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        path = self._existing(key)
        size = path.stat().st_size
        return _read(path, start, size if end is None else min(end, size))

    def size(self, key: str) -> int | None:
        path = self._path(key)
        return path.stat().st_size if path.is_file() else None

    def delete(self, key: str) -> None:
        with _as_unavailable(key):
            self._path(key).unlink(missing_ok=True)

    def delete_below(self, folder: str) -> None:
        path = self._path(folder)
        with _as_unavailable(folder), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)

    def keys_below(self, folder: str) -> list[str]:
        root = self._folder.resolve()
        found = (path for path in self._path(folder).rglob("*") if path.is_file())
        return sorted(
            path.relative_to(root).as_posix() for path in found if not path.name.startswith(".")
        )

    def uri(self, key: str) -> str:
        return f"file:{self._folder / key}"

    def _path(self, key: str) -> Path:
        root = self._folder.resolve()
        path = (root / checked_key(key)).resolve()
        # A link inside the folder may still point out of it.
        if not path.is_relative_to(root):
            raise NotFound(f"no object {key}", code="object_not_found")
        return path

    def _existing(self, key: str) -> Path:
        path = self._path(key)
        if not path.is_file():
            raise NotFound(f"no object {key}", code="object_not_found")
        return path


def _place(path: Path, target: Path) -> bool:
    """Copy to a temporary name and link it: readers see all of a file or none of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{uuid.uuid4().hex}.tmp"
    try:
        with path.open("rb") as source, temporary.open("xb") as copy:
            shutil.copyfileobj(source, copy, CHUNK_BYTES)
            copy.flush()
            os.fsync(copy.fileno())
        return _link(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, target: Path) -> bool:
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError:
        # Some file systems have no hard links. Content-addressed bytes may replace themselves.
        temporary.replace(target)
    return True


def _read(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(start)
        left = end - start
        while left > 0 and (piece := stream.read(min(CHUNK_BYTES, left))):
            left -= len(piece)
            yield piece


@contextlib.contextmanager
def _as_unavailable(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"the storage folder refused {key}: {error.strerror}"
        raise Unavailable(message, code="storage_unavailable") from error
