"""The preview of an uploaded file, and of the dataset that a spec would make of its source: a
subprocess (`worker`) reads the head of it.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import BoundedSemaphore

import service
from service.catalogue.catalogue import Catalogue
from service.database import Sessions
from service.datasets.preview.schemas import (
    FilePreview,
    PreparedSample,
    PreviewFault,
    SampleRequest,
    SourcePreview,
)
from service.datasets.queries import DatasetView
from service.datasets.schemas import PrepareSpec
from service.datasets.sources.schemas import FileSource, SyntheticSource
from service.errors import Invalid, Unavailable
from service.files.operations import get_file, read_file
from service.files.schemas import FileFormat
from service.money import dollars_or_none
from service.storage.ports import ObjectStore
from service.work_folders import work_folder

_ROOT = Path(service.__file__).resolve().parents[1]
_MODULE = "service.datasets.preview.worker"
_SECONDS = 60
_HEAD_BYTES = 1 << 20
_WHOLE_BYTES = 64 << 20  # of files that have no head: Parquet, and JSON in one object
_AT_ONCE = BoundedSemaphore(2)
_REFUSED = 3


@dataclass(frozen=True, slots=True)
class _StoredFile:
    """A file in the store; `read` yields its bytes from the first to before the second place."""

    format: FileFormat
    size_bytes: int
    read: Callable[[int, int], Iterable[bytes]]


def preview_file(
    file_id: str,
    *,
    project_id: str,
    base_model: str,
    catalogue: Catalogue,
    sessions: Sessions,
    store: ObjectStore,
) -> FilePreview:
    """Return what the first rows of a file show, within seconds.

    Raises NotFound; Invalid for what is wrong with the file as a whole, `preview_too_large`,
    `preview_failed`; Unavailable.
    """
    file = get_file(file_id, project_id=project_id, sessions=sessions)
    stored = _stored(file_id, project_id=project_id, sessions=sessions, store=store)
    found = SourcePreview.model_validate_json(_sample_file(stored, SampleRequest()))
    nano = catalogue.training_cost(base_model, tokens=found.estimate.tokens)
    priced = found.estimate.model_copy(
        update={
            "base_model": base_model,
            "training_dollars": dollars_or_none(nano),
        }
    )
    values = {name: getattr(found, name) for name in SourcePreview.model_fields}
    return FilePreview(
        **values | {"estimate": priced},
        file=file.id,
        format=FileFormat(file.format),
        size_bytes=file.size_bytes,
        links={"self": f"/v1/files/{file.id}/preview", "file": f"/v1/files/{file.id}"},
    )


def sample_source(
    spec: PrepareSpec, *, project_id: str, sessions: Sessions, store: ObjectStore
) -> PreparedSample | None:
    """Return the first rows of a spec's source as it would prepare them.

    None for a source elsewhere, which only its job reads. Raises what `preview_file` raises.
    """
    request = SampleRequest(spec=spec)
    match spec.source:
        case FileSource(file_id=file_id):
            stored = _stored(file_id, project_id=project_id, sessions=sessions, store=store)
            answer = _sample_file(stored, request)
        case SyntheticSource():
            answer = _run_sample(request)
        case _:
            return None
    return PreparedSample.model_validate_json(answer)


def expected_dataset(spec: PrepareSpec, sample: PreparedSample) -> DatasetView:
    """Return a dataset that does not exist, with what estimates read of one."""
    preset = spec.make_preset()
    return DatasetView(
        id="",
        job_id="",
        preset=preset.name,
        instruction=preset.instruction,
        metrics=preset.metrics,
        examples_key="",
        training_files={},
        splits={"test": {"rows": spec.test_size}, "validation": {"rows": spec.validation_size}},
        fingerprint="",
        report={"lengths": sample.lengths},
        answer=preset.answer,
    )


def _stored(
    file_id: str, *, project_id: str, sessions: Sessions, store: ObjectStore
) -> _StoredFile:
    file = get_file(file_id, project_id=project_id, sessions=sessions)

    def read(start: int, end: int) -> Iterator[bytes]:
        return read_file(
            file_id, project_id=project_id, sessions=sessions, store=store, start=start, end=end
        )

    return _StoredFile(FileFormat(file.format), file.size_bytes, read)


def _sample_file(file: _StoredFile, request: SampleRequest) -> str:
    """Return the subprocess's answer about the head of a file; raises what `_run_sample` raises.

    Raises Invalid `preview_too_large` too.
    """
    with work_folder() as folder:
        path = folder / "head"
        sizes = {"size_bytes": file.size_bytes, "head_bytes": _copy_head(file, path)}
        values = {"path": str(path), "format": file.format}
        return _run_sample(request.model_copy(update=values | sizes))


def _run_sample(request: SampleRequest) -> str:
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


def _copy_head(file: _StoredFile, path: Path) -> int:
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


def _has_head(file: _StoredFile, first: bytes) -> bool:
    if file.format is FileFormat.JSON:
        return not first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    return file.format is not FileFormat.PARQUET
