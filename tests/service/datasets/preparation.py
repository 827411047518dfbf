"""What the tests of datasets share: a small spec, a counting store, a run from end to end."""

from pathlib import Path
from typing import Any

from service.catalogue.catalogue import load_catalogue
from service.database import Sessions
from service.datasets.operations import PREPARE, run_prepare
from service.files.contents import FileLimits
from service.files.operations import create_file
from service.storage.local import LocalStore
from service.storage.ports import StoredObject
from tests.support.runs import MemoryRun, reserve_run

CATALOGUE = load_catalogue()
LIMITS = FileLimits(upload_bytes=1 << 20, line_bytes=1 << 16)
SMALL = {
    "preset": "pii",
    "source": {"type": "synthetic", "rows": 200, "seed": 0},
    "train_sizes": [10, 50, 100],
    "test_size": 40,
    "validation_size": 20,
}


class CountingStore(LocalStore):
    """A folder that remembers which puts created something."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.created: list[bool] = []

    def put_file(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        stored = super().put_file(key, path, content_type=content_type)
        self.created.append(stored.created)
        return stored


def reserve(sessions: Sessions, project_id: str, **changes: Any) -> MemoryRun:
    return reserve_run(PREPARE, SMALL | changes, project_id=project_id, sessions=sessions)


def go(run: MemoryRun, store: LocalStore) -> str:
    done = run_prepare(
        run,
        sessions=run.sessions,
        store=store,
        limits=LIMITS,
        google_project="a-project",
        catalogue=CATALOGUE,
    )
    assert done is None
    return run.outputs["dataset"]


def upload(
    data: bytes,
    sessions: Sessions,
    store: LocalStore,
    project_id: str,
    *,
    format: str = "csv",  # noqa: A002  the word of the API
) -> str:
    return create_file(
        [data],
        name=f"rows.{format}",
        format=format,
        digest=None,
        project_id=project_id,
        sessions=sessions,
        store=store,
        limits=LIMITS,
    ).id


def read_object(store: LocalStore, key: str) -> bytes:
    return b"".join(store.chunks(key))
