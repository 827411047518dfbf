"""The files of a dataset in the object store; equal content has one key and is sent once."""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from service.datasets.examples import Example, Split
from service.datasets.formats.gemini import training_lines
from service.datasets.preparation import Prepared, numbered
from service.datasets.presets.preset import Preset
from service.datasets.schemas import SplitInfo, StoredRows
from service.storage.ports import ObjectStore
from service.storage.tables import TableSchema, read_parquet, write_parquet

SCHEMA = TableSchema(
    version=1,
    columns={
        "id": "string",
        "split": "string",
        "position": "int64",
        "text": "string",
        "target": "string",
        "references": "strings",
        "group": "string",
        "label": "string",
        "row": "int64",
    },
)


_ROWS_AT_ONCE = 1000
_LAST_POSITION = 2**62


@dataclass(frozen=True, slots=True)
class Artifacts:
    """What was stored: all examples, one tuning file for each train size, and the manifest."""

    examples: StoredRows
    training: dict[str, StoredRows]
    validation: StoredRows | None
    manifest: StoredRows

    @property
    def files(self) -> list[StoredRows]:
        held_out = [] if self.validation is None else [self.validation]
        return [self.examples, *self.training.values(), *held_out, self.manifest]


class _Shelf:
    """Writes files below a temporary folder and stores them under their SHA-256."""

    def __init__(self, folder: Path, store: ObjectStore) -> None:
        self._folder = folder
        self._store = store

    def path(self) -> Path:
        return self._folder / "artifact"

    def keep(self, *, suffix: str, rows: int, content_type: str) -> StoredRows:
        sha256 = _sha256(self.path())
        stored = self._store.put_file(
            f"datasets/{sha256}.{suffix}", self.path(), content_type=content_type
        )
        self.path().unlink()
        return StoredRows(key=stored.key, uri=stored.uri, sha256=sha256, rows=rows)

    def keep_lines(self, lines: Iterable[bytes], *, rows: int) -> StoredRows:
        with self.path().open("xb") as file:
            file.writelines(lines)
        return self.keep(suffix="jsonl", rows=rows, content_type="application/x-ndjson")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def store_artifacts(
    prepared: Prepared, *, preset: Preset, train_sizes: Iterable[int], store: ObjectStore
) -> Artifacts:
    """Write and store every file of a dataset; a second call stores nothing anew.

    Raises Unavailable.
    """
    with tempfile.TemporaryDirectory() as folder:
        shelf = _Shelf(Path(folder), store)
        train = prepared.splits.train
        examples = _keep_examples(prepared, preset, shelf)
        training = {
            str(size): shelf.keep_lines(training_lines(preset.instruction, train[:size]), rows=size)
            for size in train_sizes
        }
        validation = _keep_validation(prepared, preset, shelf)
        manifest = _manifest(prepared, preset, examples, training, validation)
        shelf.path().write_bytes(manifest)
        return Artifacts(
            examples,
            training,
            validation,
            shelf.keep(suffix="manifest.json", rows=1, content_type="application/json"),
        )


def _keep_examples(prepared: Prepared, preset: Preset, shelf: _Shelf) -> StoredRows:
    count = write_parquet(
        _table_rows(prepared),
        shelf.path(),
        schema=SCHEMA,
        metadata={"preset": preset.name, "fingerprint": prepared.fingerprint},
    )
    return shelf.keep(suffix="parquet", rows=count, content_type="application/vnd.apache.parquet")


def _keep_validation(prepared: Prepared, preset: Preset, shelf: _Shelf) -> StoredRows | None:
    examples = prepared.splits.validation
    if not examples:
        return None
    return shelf.keep_lines(training_lines(preset.instruction, examples), rows=len(examples))


def _table_rows(prepared: Prepared) -> Iterator[dict[str, Any]]:
    for split, position, example in numbered(prepared.splits):
        yield {
            "id": example.id,
            "split": split.value,
            "position": position,
            "text": example.text,
            "target": example.target,
            "references": list(example.references),
            "group": example.group,
            "label": example.label,
            "row": example.row,
        }


def _manifest(
    prepared: Prepared,
    preset: Preset,
    examples: StoredRows,
    training: dict[str, StoredRows],
    validation: StoredRows | None,
) -> bytes:
    """Return what a consumer checks files against; no times, so equal data has equal bytes."""
    files = {"examples": examples, **{f"train_{size}": file for size, file in training.items()}}
    if validation is not None:
        files["validation"] = validation
    manifest = {
        "schema_version": SCHEMA.version,
        "fingerprint": prepared.fingerprint,
        "preset": preset.name,
        "instruction": preset.instruction,
        "metrics": list(preset.metrics),
        "splits": {split.value: len(prepared.splits.of(split)) for split in Split},
        "files": {name: file.model_dump(exclude={"uri"}) for name, file in files.items()},
    }
    return json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"


def columns_of(prepared: Prepared, artifacts: Artifacts) -> dict[str, Any]:
    """Return what a finished dataset's row holds, but for the time."""
    report = prepared.report.model_copy(update={"manifest": artifacts.manifest})
    return {
        "splits": {
            split.value: _split_info(split, prepared, artifacts).model_dump() for split in Split
        },
        "training_files": {size: file.model_dump() for size, file in artifacts.training.items()},
        "report": report.model_dump(),
        "examples_key": artifacts.examples.key,
        "fingerprint": prepared.fingerprint,
    }


def _split_info(split: Split, prepared: Prepared, artifacts: Artifacts) -> SplitInfo:
    examples = prepared.splits.of(split)
    file = artifacts.validation if split is Split.VALIDATION else None
    return SplitInfo(
        rows=len(examples),
        groups=len({example.group for example in examples}),
        key=file.key if file else None,
        uri=file.uri if file else None,
        sha256=file.sha256 if file else None,
    )


def stored_rows(source: IO[bytes], *, split: Split | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of an examples file in stored order, of one split or of all."""
    for row in read_parquet(source):
        if split is None or row["split"] == split.value:
            yield row


def stored_range(
    source: IO[bytes], *, split: Split, first: int = 0, last: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a split from position `first` to before `last`, in stored order.

    Reads only the row groups that may hold them, and keeps a thousand rows at a time.
    """
    from pyarrow import compute, parquet

    end = _LAST_POSITION if last is None else last
    with parquet.ParquetFile(source) as file:
        groups = [
            index
            for index in range(file.num_row_groups)
            if _may_hold(file.metadata.row_group(index), split, first, end)
        ]
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, row_groups=groups):
            position = batch["position"]
            inside = compute.and_(
                compute.and_(compute.greater_equal(position, first), compute.less(position, end)),
                compute.equal(batch["split"], split.value),
            )
            yield from batch.filter(inside).to_pylist()


def _may_hold(group: Any, split: Split, first: int, end: int) -> bool:
    """Return whether a row group may hold rows of a range, by the bounds of its columns."""
    columns = list(SCHEMA.columns)
    names, positions = (
        group.column(columns.index(name)).statistics for name in ("split", "position")
    )
    if not (names and names.has_min_max and positions and positions.has_min_max):
        return True
    if not names.min <= split.value <= names.max:
        return False
    # Positions count within a split: their bounds say nothing in a group of several splits.
    return bool(names.min != names.max or (positions.min < end and positions.max >= first))


def example_of(row: dict[str, Any]) -> Example:
    """Return the example a stored row holds."""
    return Example(
        id=row["id"],
        text=row["text"],
        target=row["target"],
        references=tuple(row["references"]),
        group=row["group"],
        row=row["row"],
        label=row["label"],
    )


def stream_examples(
    examples_key: str,
    split: Split,
    *,
    first: int = 0,
    last: int | None = None,
    store: ObjectStore,
) -> Iterator[Example]:
    """Yield the examples of a split from position `first` to before `last`, in stored order.

    Holds few of them at a time. Raises NotFound `object_not_found`, Unavailable.
    """
    with store.open(examples_key) as stream:
        yield from map(example_of, stored_range(stream, split=split, first=first, last=last))
