"""The preview of an uploaded file, and of the dataset that a spec would make of its source."""

from collections.abc import Iterator

from service.catalogue.catalogue import Catalogue
from service.database import Sessions
from service.datasets.preview.process import StoredFile, run_sample, sample_file
from service.datasets.preview.schemas import (
    FilePreview,
    PreparedSample,
    SampleRequest,
    SourcePreview,
)
from service.datasets.queries import DatasetView
from service.datasets.schemas import PrepareSpec
from service.datasets.sources.schemas import FileSource, SyntheticSource
from service.files.operations import get_file, read_file
from service.files.schemas import FileFormat
from service.money import dollars_or_none
from service.storage.ports import ObjectStore


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
    found = SourcePreview.model_validate_json(sample_file(stored, SampleRequest()))
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
            answer = sample_file(stored, request)
        case SyntheticSource():
            answer = run_sample(request)
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


def _stored(file_id: str, *, project_id: str, sessions: Sessions, store: ObjectStore) -> StoredFile:
    file = get_file(file_id, project_id=project_id, sessions=sessions)

    def read(start: int, end: int) -> Iterator[bytes]:
        return read_file(
            file_id, project_id=project_id, sessions=sessions, store=store, start=start, end=end
        )

    return StoredFile(FileFormat(file.format), file.size_bytes, read)
