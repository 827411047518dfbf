"""The files of a dataset in the object store, each named by the SHA-256 of its content."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from service.datasets.examples import SCHEMA, Split
from service.datasets.presets.preset import Preset
from service.datasets.schemas import SplitInfo, StoredRows, TuningRows
from service.storage.object_keys import project_folder, put_content
from service.storage.ports import ObjectStore
from service.storage.tables import file_metadata

if TYPE_CHECKING:  # where its files lie is asked by processes that write none
    from service.datasets.publishing.written_dataset import WrittenDataset

_ROW_GROUP = 5000
_JSON_LINES = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Artifacts:
    """What was stored: all examples, one tuning file for each train size, and the manifest."""

    examples: StoredRows
    training: dict[str, TuningRows]
    validation: TuningRows | None
    manifest: StoredRows


class _ArtifactWriter:
    """Stores the file at `path`, one after the other, under its SHA-256."""

    def __init__(self, scratch: Path, folder: str, store: ObjectStore) -> None:
        self.path = scratch / "artifact"
        self._folder = folder
        self._object_store = store

    def store(self, *, suffix: str, rows: int, content_type: str) -> StoredRows:
        stored = put_content(
            self.path,
            folder=self._folder,
            suffix=suffix,
            content_type=content_type,
            store=self._object_store,
        )
        self.path.unlink()
        return StoredRows(key=stored.key, uri=stored.uri, sha256=stored.sha256, rows=rows)


def dataset_folder(project_id: str, dataset_id: str) -> str:
    """Return the folder of the store where a dataset has its files."""
    return project_folder(project_id, "datasets", dataset_id)


def store_artifacts(
    dataset: "WrittenDataset", *, preset: Preset, folder: str, store: ObjectStore, scratch: Path
) -> Artifacts:
    """Store every file of a dataset in a folder of the store; a second call sends nothing.

    `scratch` holds temporary copies. Raises Unavailable.
    """
    artifacts = _ArtifactWriter(scratch, folder, store)
    written = dataset.written
    examples = _store_examples(dataset, preset, artifacts)
    training = {
        str(size): _store_start(
            written.train,
            end,
            rows=size,
            pairs=(written.pairs.train, written.pairs.ends[size]) if written.pairs else None,
            artifacts=artifacts,
        )
        for size, end in written.ends.items()
    }
    validation = _store_validation(dataset, artifacts)
    artifacts.path.write_bytes(_manifest(dataset, preset, examples, training, validation))
    manifest = artifacts.store(suffix=".manifest.json", rows=1, content_type="application/json")
    return Artifacts(examples, training, validation, manifest)


def _store_start(
    path: Path,
    size_bytes: int,
    *,
    rows: int,
    pairs: tuple[Path, int] | None,
    artifacts: _ArtifactWriter,
) -> TuningRows:
    """Store the first bytes of a file, and of that of the same rows as pairs."""
    _copy_start(path, artifacts.path, size_bytes)
    stored = artifacts.store(suffix=".jsonl", rows=rows, content_type=_JSON_LINES)
    if pairs is None:
        return TuningRows(**stored.model_dump())
    _copy_start(pairs[0], artifacts.path, pairs[1])
    as_pairs = artifacts.store(suffix=".pairs.jsonl", rows=rows, content_type=_JSON_LINES)
    return TuningRows(**stored.model_dump(), pairs=as_pairs)


def _copy_start(source: Path, target: Path, size_bytes: int) -> None:
    """Write the first bytes of a file into a new one."""
    with source.open("rb") as reading, target.open("xb") as file:
        for piece in _pieces(reading, size_bytes):
            file.write(piece)


def _pieces(file: IO[bytes], size_bytes: int) -> Iterable[bytes]:
    while size_bytes > 0 and (piece := file.read(min(size_bytes, 1 << 20))):
        size_bytes -= len(piece)
        yield piece


def _store_validation(dataset: "WrittenDataset", artifacts: _ArtifactWriter) -> TuningRows | None:
    rows, written = dataset.rows(Split.VALIDATION), dataset.written
    if not rows:
        return None
    pairs = written.pairs and written.pairs.validation
    return _store_start(
        written.validation,
        written.validation.stat().st_size,
        rows=rows,
        pairs=(pairs, pairs.stat().st_size) if pairs else None,
        artifacts=artifacts,
    )


def _store_examples(
    dataset: "WrittenDataset", preset: Preset, artifacts: _ArtifactWriter
) -> StoredRows:
    """Write the examples as Parquet; the same rows give the same bytes."""
    import pyarrow as pa
    from pyarrow import parquet

    notes = {"preset": preset.name, "fingerprint": dataset.written.fingerprint}
    schema = _arrow_schema(file_metadata(SCHEMA, notes))
    with (
        pa.ipc.open_stream(dataset.written.ordered) as ordered,
        parquet.ParquetWriter(artifacts.path, schema, compression="zstd") as writer,
    ):
        for batch in ordered:
            table = pa.Table.from_batches([batch]).select(schema.names).cast(schema)
            writer.write_table(table, row_group_size=_ROW_GROUP)
    kind = "application/vnd.apache.parquet"
    return artifacts.store(suffix=".parquet", rows=dataset.report.kept, content_type=kind)


def _arrow_schema(metadata: Mapping[str, str]) -> Any:
    import pyarrow as pa

    types = {"string": pa.string(), "strings": pa.list_(pa.string()), "int64": pa.int64()}
    fields = [pa.field(name, types[kind]) for name, kind in SCHEMA.columns.items()]
    return pa.schema(fields, metadata=metadata)


def _manifest(
    dataset: "WrittenDataset",
    preset: Preset,
    examples: StoredRows,
    training: dict[str, TuningRows],
    validation: TuningRows | None,
) -> bytes:
    """Return what a consumer checks files against; no times, so equal data has equal bytes."""
    tuning = {f"train_{size}": file for size, file in training.items()}
    if validation is not None:
        tuning["validation"] = validation
    pairs = {f"{name}_pairs": file.pairs for name, file in tuning.items() if file.pairs}
    files: dict[str, StoredRows] = {"examples": examples, **tuning, **pairs}
    manifest = {
        "schema_version": SCHEMA.version,
        "fingerprint": dataset.written.fingerprint,
        "preset": preset.name,
        "instruction": dataset.instruction,
        "metrics": list(preset.metrics),
        "splits": {split.value: dataset.rows(split) for split in Split},
        "files": {name: file.model_dump(exclude={"uri", "pairs"}) for name, file in files.items()},
    }
    return json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"


def columns_of(dataset: "WrittenDataset", artifacts: Artifacts) -> dict[str, Any]:
    """Return what a finished dataset's row holds, but for the time."""
    report = dataset.report.model_copy(update={"manifest": artifacts.manifest})
    return {
        "instruction": dataset.instruction,
        "splits": {
            split.value: _split_info(split, dataset, artifacts).model_dump() for split in Split
        },
        "training_files": {
            size: file.model_dump(exclude_none=True) for size, file in artifacts.training.items()
        },
        "report": report.model_dump(mode="json"),
        "examples_key": artifacts.examples.key,
        "fingerprint": dataset.written.fingerprint,
    }


def _split_info(split: Split, dataset: "WrittenDataset", artifacts: Artifacts) -> SplitInfo:
    file = artifacts.validation if split is Split.VALIDATION else None
    return SplitInfo(
        rows=dataset.rows(split),
        groups=dataset.groups[split],
        key=file.key if file else None,
        uri=file.uri if file else None,
        sha256=file.sha256 if file else None,
        pairs=file.pairs if file else None,
    )
