"""The labels of placeholders in targets, which an instruction names: `[EMAIL]` has EMAIL."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from service.datasets.conversion.converted_rows import bounded_batches
from service.datasets.conversion.row_keys import PLACEHOLDER
from service.datasets.examples import Split, composed
from service.datasets.preparation import SplitDataset
from service.datasets.presets.preset import Preset

_NUMBERED = re.compile(r"_\d+$")
# Most labels are of ASCII, which Rust reads twice as fast.
_ASCII_TOKEN = PLACEHOLDER.replace(r"[^\W\d_]", "[A-Za-z]").replace(
    r"\w\u0300-\u036f", "A-Za-z0-9_"
)
_OTHER_LETTERS = r"[\[<{]\s*\w*[^\x00-\x7f]"
_BRACKET = r"[\[<{]"
_TRAIN, _HELD_OUT = 1, 2


@dataclass(slots=True)
class PlaceholderLabels:
    """How often each label occurs in all splits, and in train; `unsquare`: in other brackets."""

    counts: Counter[str] = field(default_factory=Counter)
    train: Counter[str] = field(default_factory=Counter)
    unsquare: int = 0

    def absent_from(self, instruction: str) -> Mapping[str, int]:
        """Return the labels that an instruction does not name, with how often they occur."""
        named = _words(instruction)
        return {name: n for name, n in self.counts.items() if not _words(name) <= named}


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", composed(text).casefold()))


def placeholder_labels(prepared: SplitDataset) -> PlaceholderLabels:
    """Count labels in the targets of the rows that are kept; brackets of the text are its own."""
    from pyarrow import parquet

    tokens: list[pl.DataFrame] = []
    places = np.zeros(prepared.keys.height, np.uint8)
    for split, rows in prepared.splits.items():
        places[rows] = _TRAIN if split is Split.TRAIN else _HELD_OUT
    done = 0
    with parquet.ParquetFile(prepared.converted.path, pre_buffer=False) as file:
        for batch in bounded_batches(file, ["text", "target"]):
            here = pl.Series("place", places[done : done + batch.num_rows])
            tokens.append(_tokens(pl.DataFrame(batch).with_columns(here).filter(here > 0)))
            done += batch.num_rows
    found = PlaceholderLabels()
    for token, place, count in pl.concat(tokens).iter_rows():
        label = _NUMBERED.sub("", token.strip("[]<>{} "))
        found.counts[label] += count
        found.train[label] += count * (place == _TRAIN)
        found.unsquare += count * (token[0] != "[")
    return found


def _tokens(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the placeholders of targets that are not in their texts, counted by place."""
    pattern = PLACEHOLDER if rows["target"].str.contains(_OTHER_LETTERS).any() else _ASCII_TOKEN
    tokens = rows.select("place", pl.col("target").str.extract_all(pattern).alias("token"))
    if rows["text"].str.contains(_BRACKET).any():
        own = rows["text"].str.extract_all(pattern)
        tokens = tokens.with_columns(pl.col("token").list.set_difference(own))
    return tokens.explode("token").drop_nulls().group_by("token", "place").len()


def with_labels_of_train(preset: Preset, labels: PlaceholderLabels) -> Preset:
    """Return a preset whose instruction names the labels in train, if it is to do so."""
    if preset.labels_of_train is None or not labels.train.total():
        return preset
    taught = [name for name, count in labels.train.items() if count]
    ordered = sorted(taught, key=lambda name: (-labels.train[name], name))
    return replace(preset, instruction=preset.labels_of_train(ordered))
