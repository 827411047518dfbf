"""The labels of placeholders in targets, which an instruction names: `[EMAIL]` has EMAIL."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from service.datasets.conversion.converted_rows import bounded_batches
from service.datasets.conversion.row_keys import PLACEHOLDER
from service.datasets.examples import Split
from service.datasets.preparation import SplitDataset
from service.datasets.presets.preset import Preset

_NUMBERED = r"_\d+$"
_TRAIN, _HELD_OUT = 1, 2


@dataclass(frozen=True, slots=True)
class PlaceholderLabels:
    """How many rows of all splits, and of train, hold each label; `unsquare`: in other brackets."""

    rows: Counter[str] = field(default_factory=Counter)
    train: Counter[str] = field(default_factory=Counter)
    unsquare: int = 0

    def absent_from(self, instruction: str) -> Mapping[str, int]:
        """Return the labels that an instruction does not name, with their rows."""
        named = set(re.findall(r"\w+", instruction.casefold()))
        return {name: rows for name, rows in self.rows.items() if name.casefold() not in named}


def placeholder_labels(prepared: SplitDataset) -> PlaceholderLabels:
    """Count labels in the targets of the rows that are kept; brackets of the text are its own."""
    from pyarrow import parquet

    found = PlaceholderLabels()
    places = np.zeros(prepared.keys.height, np.uint8)
    for split, rows in prepared.splits.items():
        places[rows] = _TRAIN if split is Split.TRAIN else _HELD_OUT
    unsquare = done = 0
    with parquet.ParquetFile(prepared.converted.path, pre_buffer=False) as file:
        for batch in bounded_batches(file, ["text", "target"]):
            here = places[done : done + batch.num_rows]
            unsquare += _count(batch, here, found)
            done += batch.num_rows
    return replace(found, unsquare=unsquare)


def _count(batch: Any, places: Any, found: PlaceholderLabels) -> int:
    """Add what a batch holds; return how many of its rows have other brackets than square ones."""
    theirs = pl.col("target").str.extract_all(PLACEHOLDER)
    own = pl.col("text").str.extract_all(PLACEHOLDER)
    rows = (
        pl.from_arrow(batch)
        .lazy()  # type: ignore[union-attr]  # a table is a frame
        .select(theirs.list.set_difference(own).alias("token"), pl.Series("place", places))
        .with_row_index("row")
        .filter((pl.col("place") > 0) & (pl.col("token").list.len() > 0))
        .explode("token")
        .with_columns(
            pl.col("token").str.strip_chars("[]<>{} ").str.replace(_NUMBERED, "").alias("label"),
            pl.col("token").str.starts_with("[").not_().alias("unsquare"),
        )
        .collect()
    )
    once = rows.unique(["row", "label"])
    for label, count in once["label"].value_counts().iter_rows():
        found.rows[label] += count
    for label, count in once.filter(pl.col("place") == _TRAIN)["label"].value_counts().iter_rows():
        found.train[label] += count
    return rows.filter("unsquare")["row"].n_unique()


def with_labels_of_train(preset: Preset, labels: PlaceholderLabels) -> Preset:
    """Return a preset whose instruction names the labels in train, if it is to do so."""
    if preset.labels_of_train is None or not labels.train:
        return preset
    ordered = sorted(labels.train, key=lambda name: (-labels.train[name], name))
    return replace(preset, instruction=preset.labels_of_train(ordered))
