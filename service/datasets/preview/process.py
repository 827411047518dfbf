"""Runs the preview's subprocess on the head of a source."""

import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import BoundedSemaphore

import service
from service.datasets.preview.schemas import PreviewFault, SampleRequest
from service.errors import Invalid, Unavailable
from service.files.schemas import FileFormat
from service.work_folders import work_folder

_ROOT = Path(service.__file__).resolve().parents[1]
_MODULE = "service.datasets.preview.worker"
_SECONDS = 60
_HEAD_BYTES = 1 << 20
_WHOLE_BYTES = 64 << 20  # of files that have no head: Parquet, and JSON in one object
_AT_ONCE = BoundedSemaphore(2)
_REFUSED = 3


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the store; `read` yields its bytes from the first to before the second place."""

    format: FileFormat
    size_bytes: int
    read: Callable[[int, int], Iterable[bytes]]


def sample_file(file: StoredFile, request: SampleRequest) -> str:
    """Return the subprocess's answer about the head of a file; raises what `run_sample` raises.

    Raises Invalid `preview_too_large` too.
    """
    with work_folder() as folder:
        path = folder / "head"
        sizes = {"size_bytes": file.size_bytes, "head_bytes": _copy_head(file, path)}
        values = {"path": str(path), "format": file.format}
        return run_sample(request.model_copy(update=values | sizes))


def run_sample(request: SampleRequest) -> str:
    """Return the subprocess's answer as JSON; two run at once, the others wait.

    Raises Invalid for what is wrong with the source, and `preview_failed`; Unavailable.
    """
    if not _AT_ONCE.acquire(timeout=_SECONDS):
        raise Unavailable("other previews are still being made; try again")
    try:
        done = subprocess.run(  # noqa: S603  our own module
            [sys.executable, "-m", _MODULE],
            input=request.model_dump_json(),
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _failed() from None
    finally:
        _AT_ONCE.release()
    if done.returncode == _REFUSED:
        fault = PreviewFault.model_validate_json(done.stdout)
        raise Invalid(fault.message, code=fault.code)
    if done.returncode != 0:
        raise _failed()
    return done.stdout


def _failed() -> Invalid:
    message = "the first rows cannot be read within a minute and 1 GB; a preparation may still do"
    return Invalid(message, code="preview_failed")


def _copy_head(file: StoredFile, path: Path) -> int:
    """Copy the head of a file up to its last whole line, or all of it; return the bytes."""
    first = b"".join(file.read(0, min(_HEAD_BYTES, file.size_bytes)))
    if file.size_bytes <= _HEAD_BYTES:
        path.write_bytes(first)
    elif _has_head(file, first):
        lines = first if file.format is FileFormat.JSON else first[: first.rfind(b"\n") + 1]
        first = lines or first
        path.write_bytes(first)
    elif file.size_bytes <= _WHOLE_BYTES:
        with path.open("wb") as target:
            target.writelines(chain([first], file.read(len(first), file.size_bytes)))
        return file.size_bytes
    else:
        message = f"a file in this format has a preview up to {_WHOLE_BYTES} bytes"
        raise Invalid(message, code="preview_too_large")
    return len(first)


def _has_head(file: StoredFile, first: bytes) -> bool:
    if file.format is FileFormat.JSON:
        return not first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    return file.format is not FileFormat.PARQUET
