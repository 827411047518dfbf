"""The store that a setting names."""

from pathlib import Path

from service.errors import Invalid
from service.storage.addresses import GS_URI
from service.storage.gcs import GcsStore
from service.storage.local import LocalStore
from service.storage.ports import ObjectStore


def open_store(storage: str, *, project: str, region: str = "", account: str = "") -> ObjectStore:
    """Return the store at `file:/folder` or `gs://bucket/prefix`; nothing is created yet.

    `project` is the Google Cloud project that pays, `region` where an emulator makes a bucket,
    `account` a service account to call as, or empty.
    Raises Invalid `unknown_storage`.
    """
    if storage.startswith("file:") and len(storage) > len("file:"):
        return LocalStore(Path(storage.removeprefix("file:")))
    if found := GS_URI.fullmatch(storage):
        return GcsStore(found[1], found[2] or "", project=project, region=region, account=account)
    message = f"no storage at {storage[:64]!r}; known: file:/folder, gs://bucket/prefix"
    raise Invalid(message, code="unknown_storage")
