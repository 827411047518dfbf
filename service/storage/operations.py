"""Opens the store of a setting, and reads objects outside it by `gs://` address."""

import re
from collections.abc import Iterator
from pathlib import Path

from service.errors import Fault, Invalid, NotFound
from service.storage.gcs import GcsStore
from service.storage.local import LocalStore
from service.storage.ports import ObjectStore

_GS_URI = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/(.*))?", re.DOTALL)


def open_store(storage: str, *, project: str) -> ObjectStore:
    """Return the store at `file:/folder` or `gs://bucket/prefix`; nothing is created yet.

    `project` is the Google Cloud project that pays. Raises Invalid `unknown_storage`.
    """
    if storage.startswith("file:") and len(storage) > len("file:"):
        return LocalStore(Path(storage.removeprefix("file:")))
    if found := _GS_URI.fullmatch(storage):
        return GcsStore(found[1], found[2] or "", project=project)
    message = f"no storage at {storage[:64]!r}; known: file:/folder, gs://bucket/prefix"
    raise Invalid(message, code="unknown_storage")


def read_gs_uri(uri: str, *, project: str, own: ObjectStore) -> Iterator[bytes]:
    """Yield the bytes of an object at `gs://bucket/name` in pieces of up to 1 MiB.

    `own` is our store: its objects belong to projects and are not read by address.
    Raises Invalid `invalid_uri`, NotFound `object_not_found`, Unavailable.
    """
    bucket, name = check_gs_uri(uri)
    if uri.startswith(own.uri("")):
        raise NotFound("the service's own objects are not read by address", code="object_not_found")
    return GcsStore(bucket, "", project=project).read_blob(name)


def read_gs_lines(folder: str, *, suffix: str, project: str) -> Iterator[bytes]:
    """Yield the lines of all objects below `gs://bucket/folder` whose names end in `suffix`.

    For the output of Google's jobs, which has names of Google's. Raises Invalid `invalid_uri`,
    Unavailable.
    """
    bucket, name = check_gs_uri(folder)
    store = GcsStore(bucket, "", project=project)
    for found in store.names_below(name):
        if found.endswith(suffix):
            yield from _lines(store.read_blob(found))


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest


def check_gs_uri(uri: str, *, pointer: str = "") -> tuple[str, str]:
    """Return bucket and name of a `gs://` address, or raise Invalid `invalid_uri`."""
    found = _GS_URI.fullmatch(uri)
    if found and found[2]:
        return found[1], found[2]
    message = "an object's address is gs://bucket/name"
    raise Invalid(message, code="invalid_uri", faults=[Fault(pointer, "invalid_uri", message)])
