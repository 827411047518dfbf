"""The search over the object store; a subprocess reads the files that strangers have written."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import service
from service.errors import NotFound
from service.storage.ports import ObjectStore
from service.work_folders import work_folder

_ROOT = Path(service.__file__).resolve().parents[1]
_MODULE = "service.erasure.subjects.file_search"
# Those of versions before 0.2 after the projects' own. `preparing` goes with its job.
_FOLDERS = ("projects", "files", "datasets", "evaluations", "experiments", "batches")


def object_keys(store: ObjectStore, *, after: str | None) -> list[str]:
    """Return the keys of all objects in their order, after one."""
    keys = sorted(key for folder in _FOLDERS for key in store.keys_below(folder))
    return [key for key in keys if after is None or key > after]


class ObjectSearch:
    """Looks into one object after the other; the subprocess is started at the first."""

    def __init__(self, text: str, store: ObjectStore, process: "subprocess.Popen[str]") -> None:
        self._store, self._process = store, process
        self._ask(text)

    def count(self, key: str) -> int | None:
        """Return how many lines or rows of an object hold the text, or None: it is unreadable.

        One that was deleted meanwhile holds it nowhere.
        """
        with work_folder() as folder:
            path = folder / "object"
            try:
                with self._store.open(key) as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
            except NotFound:
                return 0
            self._ask(str(path))
            assert self._process.stdout is not None  # noqa: S101  it is a pipe
            answer = self._process.stdout.readline()
        found: int | None = json.loads(answer) if answer else None
        return found

    def _ask(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101  it is a pipe
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()


@contextmanager
def object_search(text: str, store: ObjectStore) -> Iterator[ObjectSearch]:
    """Yield a search whose subprocess ends with the block."""
    with subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, "-m", _MODULE],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield ObjectSearch(text, store, process)
        finally:
            process.kill()
