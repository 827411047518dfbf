"""The files of a prepared dataset on this machine: examples in stored order and tuning files."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.datasets.conversion.converted_rows import bounded_batches
from service.datasets.examples import Example, Split, example_of
from service.datasets.formats.arrow_arrays import joined_texts, number_array
from service.datasets.preparation import SplitDataset
from service.datasets.presets.preset import Preset
from service.datasets.publishing.external_sort import sort_externally
from service.datasets.publishing.training_columns import (
    fingerprint_column,
    preference_column,
    records,
    training_column,
)
from service.datasets.report.masking import PersonalData
from service.datasets.splitting.split_assignment import in_stored_order

SAMPLES = 20
_ROWS_AT_ONCE = 5000
_ROWS_SCANNED = 10_000  # for personal data


@dataclass(slots=True)
class WrittenFiles:
    """Files in `folder`, and what was counted while they were written.

    `ordered` are the examples in stored order; the first n lines of `train`, which end at byte
    `ends[n]`, are the tuning file of train size n. `pairs` are the same rows as pairs of answers,
    where they are such. `first_taught` is the position in train of the first row of each label,
    `held_out` are the labels of the other splits.
    """

    ordered: Path
    train: Path
    validation: Path
    ends: dict[int, int] = field(default_factory=dict)
    pairs: "PairFiles | None" = None
    fingerprint: str = ""
    labels: Counter[str] = field(default_factory=Counter)
    first_taught: dict[str, int] = field(default_factory=dict)
    held_out: dict[Split, set[str]] = field(default_factory=dict)
    samples: list[Example] = field(default_factory=list)
    personal: PersonalData = field(default_factory=PersonalData)


@dataclass(slots=True)
class PairFiles:
    """As `WrittenFiles` has them, for preference tuning."""

    train: Path
    validation: Path
    ends: dict[int, int] = field(default_factory=dict)


def write_examples(
    prepared: SplitDataset, *, preset: Preset, train_sizes: Sequence[int], folder: Path
) -> WrittenFiles:
    """Write every example once, in stored order; the same dataset gives the same bytes."""
    written = WrittenFiles(
        folder / "ordered.arrow", folder / "train.jsonl", folder / "validation.jsonl"
    )
    if preset.pairs:
        written.pairs = PairFiles(folder / "train_pairs.jsonl", folder / "validation_pairs.jsonl")
    digest = hashlib.sha256()
    with ExitStack() as stack:
        ordered = stack.enter_context(_ArrowFile(written.ordered))
        files = list(_tuning_files(written, preset, tuple(train_sizes), stack))
        for frame in _frames(prepared, folder):
            ordered.write(frame)
            _scan(frame, written)
            for rows in frame.iter_slices(_ROWS_AT_ONCE):
                digest.update(joined_texts(fingerprint_column(rows))[0])
                for each in files:
                    each.write(rows)
    written.fingerprint = digest.hexdigest()
    return written


def _tuning_files(
    written: WrittenFiles, preset: Preset, sizes: Sequence[int], stack: ExitStack
) -> "Iterator[_TuningFiles]":
    forms = ((written, training_column), (written.pairs, preference_column))
    for paths, column in forms:
        if paths is not None:
            train, validation = (
                stack.enter_context(path.open("wb")) for path in (paths.train, paths.validation)
            )
            lines = partial(column, preset.instruction)
            yield _TuningFiles(lines, sizes, train, validation, paths.ends)


class _ArrowFile:
    """Writes frames into one Arrow file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, frame: pl.DataFrame) -> None:
        import pyarrow as pa

        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._path, table.schema)
        self._writer.write_table(table)


@dataclass(slots=True)
class _TuningFiles:
    """Writes tuning lines: of training rows as many as the largest size, of validation all."""

    lines: Callable[[pl.DataFrame], pl.Series]
    sizes: Sequence[int]
    train: IO[bytes]
    validation: IO[bytes]
    ends: dict[int, int]
    count: int = 0

    def write(self, rows: pl.DataFrame) -> None:
        left = max(max(self.sizes) - self.count, 0)
        train = rows.filter(pl.col("split") == Split.TRAIN).head(left)
        ends = self._write(self.train, train)
        reached = [n for n in sorted(self.sizes) if self.count < n <= self.count + train.height]
        self.ends |= {n: int(ends[n - self.count - 1]) for n in reached}
        self.count += train.height
        self._write(self.validation, rows.filter(pl.col("split") == Split.VALIDATION))

    def _write(self, file: IO[bytes], rows: pl.DataFrame) -> NDArray[np.int64]:
        """Write the lines of rows; return where in the file each of them ends."""
        begin = file.tell()
        data, ends = joined_texts(self.lines(rows))
        file.write(data)
        return begin + ends


def _frames(prepared: SplitDataset, folder: Path) -> Iterator[pl.DataFrame]:
    order = np.concatenate([rows for _, rows in in_stored_order(prepared.splits)])
    extra = pl.concat(
        pl.DataFrame({"position": np.arange(len(rows))}).select(
            pl.lit(split.value).alias("split"), "position"
        )
        for split, rows in in_stored_order(prepared.splits)
    )
    if prepared.groups is not None:
        separated = prepared.keys["separated"].to_numpy()[order]
        extra = extra.with_columns(
            _cluster_groups(prepared, order), pl.Series("separated", separated)
        )
    converted = prepared.converted.path
    for frame in sort_externally(
        converted, order, folder, extra=extra, row_bytes=_row_bytes(prepared)
    ):
        if prepared.groups is None:
            yield frame
        else:
            yield frame.with_columns(_stored_group().alias("group"))


def _stored_group() -> pl.Expr:
    """Return the text of a group, which begins with the system where groups differ in it."""
    group = pl.coalesce("cluster_group", "group")
    of_system = pl.concat_str("system", group, separator="\n")
    return pl.when("separated").then(of_system).otherwise(group)


def _row_bytes(prepared: SplitDataset) -> int:
    """Return how long texts and targets are on average; the same rows give the same number."""
    sizes = prepared.keys.select(pl.col("text_bytes", "target_bytes").cast(pl.Int64).sum())
    return int(sum(sizes.row(0))) // max(prepared.keys.height, 1)


def _cluster_groups(prepared: SplitDataset, order: Any) -> pl.Series:
    """Return the group that each example has taken from another row, null for its own."""
    assert prepared.groups is not None  # noqa: S101  asked only where clusters are groups
    names = prepared.groups[order]
    taken = names != order
    found = _groups_at(prepared.converted.path, np.unique(names[taken]))
    values = [found[name] if other else None for name, other in zip(names, taken, strict=True)]
    return pl.Series("cluster_group", values, dtype=pl.String)


def _groups_at(converted: Path, wanted: Any) -> dict[int, str]:
    from pyarrow import parquet

    found: dict[int, str] = {}
    done = 0
    with parquet.ParquetFile(converted, pre_buffer=False) as file:
        for batch in bounded_batches(file, ["group"]):
            here = wanted[(wanted >= done) & (wanted < done + batch.num_rows)]
            texts = batch.column(0).take(number_array(here - done)).to_pylist()
            found.update(zip(here.tolist(), texts, strict=True))
            done += batch.num_rows
    return found


def _scan(frame: pl.DataFrame, written: WrittenFiles) -> None:
    counts = frame["label"].value_counts().sort("label").rows()
    written.labels.update({label: count for label, count in counts if label})
    _scan_splits(frame, written)
    left = _ROWS_SCANNED - written.personal.rows
    if left > 0:
        written.personal.scan(frame.head(left))
    missing = SAMPLES - len(written.samples)
    if missing > 0:
        written.samples += map(example_of, records(frame.head(missing)))


def _scan_splits(frame: pl.DataFrame, written: WrittenFiles) -> None:
    labelled = frame.lazy().filter(pl.col("label") != "").group_by("split", "label")
    for split, label, first in labelled.agg(pl.col("position").min()).collect().iter_rows():
        if split == Split.TRAIN:
            written.first_taught[label] = min(first, written.first_taught.get(label, first))
        else:
            written.held_out.setdefault(Split(split), set()).add(label)
