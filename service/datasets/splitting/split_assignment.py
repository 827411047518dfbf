"""The split of each row: given splits are kept, the other rows are split by hash."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.datasets.cleaning.deduplication import train_near_duplicates
from service.datasets.cleaning.similarity_index import SimilarityIndex
from service.datasets.drops import DropReason
from service.datasets.examples import SPLIT_CODES, Split
from service.datasets.splitting.hash_split import (
    FIRST_PLACE,
    hold_out_rows,
    nested_order,
    size_classes,
)

Rows = NDArray[np.int64]
_MIXER = 0x9E3779B1  # odd: the product of 32 bits keeps them all in 64
_BEYOND = {
    Split.TEST: DropReason.BEYOND_TEST_SIZE,
    Split.VALIDATION: DropReason.BEYOND_VALIDATION_SIZE,
}


_LEAST_SMALL = 5
_VALIDATION_GROUPS = 2  # it chooses checkpoints and makes no claim about others


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows the held-out splits get where they are not given.

    One group gives no more than `rows_per_group` rows to a split, or its share of a test of
    `test_groups` groups where that is more. Groups of more than `small` rows are held out only
    where smaller ones do not suffice.
    """

    test: int
    validation: int
    rows_per_group: int | None = None
    test_groups: int | None = None
    small: int | None = None

    def limit(self, split: Split) -> int | None:
        """Return the most rows that one group gives to a held-out split."""
        if self.rows_per_group is None or self.test_groups is None:
            return self.rows_per_group
        if split is Split.TEST:
            return max(self.rows_per_group, ceil(self.test / self.test_groups))
        return max(self.rows_per_group, ceil(self.validation / _VALIDATION_GROUPS))

    @property
    def small_group(self) -> int:
        """Rows up to which a group is small: all are tested, or they fill half of the test."""
        limit = self.limit(Split.TEST)
        return self.small or limit or max(self.test // 2, _LEAST_SMALL)


@dataclass(slots=True)
class SplitAssignment:
    """Rows of each split in stored order, and dropped rows by reason."""

    splits: dict[Split, Rows] = field(default_factory=dict)
    dropped: dict[DropReason, Rows] = field(default_factory=dict)
    moves: bool = False

    @property
    def wastes(self) -> bool:
        """Whether rows of held-out groups are in no split."""
        return any(len(self.dropped.get(reason, ())) for reason in _BEYOND.values())

    def drop(self, reason: DropReason, rows: Rows) -> None:
        self.dropped[reason] = np.concatenate((self.dropped.get(reason, rows[:0]), rows))


def assign_rows(
    kept: Rows,
    index: SimilarityIndex,
    *,
    sizes: Sizes,
    drop_near_duplicates: bool,
    train_order: int = 0,
) -> SplitAssignment:
    """Assign every kept row; the same rows give the same splits in any order, anywhere. Another
    `train_order` changes the order of the training rows alone.

    If a split is made by hash, rows of later splits that are similar to its rows are left out; if
    it is given, none are: the leakage check compares them. Raises Invalid `test_size_too_large`,
    `validation_size_too_large`.
    """
    result = SplitAssignment()
    given = index.keys["given"].to_numpy()[kept]
    free, begin = kept[given == 0], FIRST_PLACE
    classes = size_classes(index.keys, free, small=sizes.small_group)
    for split, size in ((Split.TEST, sizes.test), (Split.VALIDATION, sizes.validation)):
        theirs = kept[given == SPLIT_CODES[split.value]]
        if len(theirs) or _is_given(split, given):
            result.splits[split] = _by_id(index.keys, theirs)
            continue
        taken = hold_out_rows(
            index.keys,
            free,
            size=size,
            classes=classes,
            begin=begin,
            rows_per_group=sizes.limit(split),
            field=f"{split.value}_size",
        )
        result.splits[split], free, begin = taken.rows, taken.rest, taken.end
        result.moves |= taken.moves
        result.drop(_BEYOND[split], taken.spare)
        like = index.similar_rows(taken.rows, free)
        result.drop(DropReason.LIKE_HELD_OUT, like)
        free = np.setdiff1d(free, like, assume_unique=True)
    train = np.concatenate(
        (kept[np.isin(given, (SPLIT_CODES["train"], SPLIT_CODES["shot"]))], free)
    )
    if drop_near_duplicates:
        train = _without_near_duplicates(result, train, index)
    first = SPLIT_CODES["shot"]
    result.splits[Split.TRAIN] = nested_order(index.keys, train, first=first, order=train_order)
    return result


def _is_given(split: Split, given: NDArray[np.uint8]) -> bool:
    """Return whether a column says each row's split, and so that this split has no rows."""
    return split is Split.VALIDATION and len(given) > 0 and bool((given != 0).all())


def _without_near_duplicates(result: SplitAssignment, train: Rows, index: SimilarityIndex) -> Rows:
    duplicates = train_near_duplicates(train, index, first=SPLIT_CODES["shot"])
    result.drop(DropReason.NEAR_DUPLICATE, duplicates)
    return np.setdiff1d(train, duplicates, assume_unique=True)


def _by_id(keys: pl.DataFrame, rows: Rows) -> Rows:
    ids = keys.select("id_high", "id_low")[rows].with_columns(pl.Series("at", rows))
    return ids.sort("id_high", "id_low")["at"].to_numpy().astype(np.int64)


def in_stored_order(splits: Mapping[Split, Rows]) -> Iterator[tuple[Split, Rows]]:
    for split in Split:
        yield split, splits[split]


def cluster_groups(keys: pl.DataFrame, clusters: Rows) -> tuple[pl.DataFrame, Rows]:
    """Return keys whose groups are clusters, and the row whose group each row gets.

    A cluster is named by its member whose group has the lowest hash, whatever came first. The
    other half of that hash places it, since the lowest of many would go to the test too often.
    """
    named = (
        keys.select("group_high", "group_low")
        .with_row_index("at")
        .with_columns(pl.Series("cluster", clusters))
        .sort("group_high", "group_low")
        .select(pl.col("at").first().over("cluster").alias("name"), "at")
        .sort("at")
    )
    names = named["name"].to_numpy().astype(np.int64)
    groups = keys.select(
        pl.col("group_low").alias("group_high"),
        pl.col("group_high").alias("group_low"),
        "separated",
    )[names]
    return keys.with_columns(groups), names


def separate_systems(keys: pl.DataFrame) -> pl.DataFrame:
    """Return keys in which a group that several system instructions share is one for each.

    Other groups stay as they are. `separated` is true for the rows of such groups.
    """
    first = keys["system"][0]
    if (keys["system"] == first).all():
        return keys.with_columns(pl.lit(value=False).alias("separated"))
    several = pl.col("system").n_unique().over("group_high", "group_low") > 1
    mixed = pl.col("system").cast(pl.UInt64) * pl.lit(_MIXER, pl.UInt64)
    return keys.with_columns(several.alias("separated")).with_columns(
        pl.when("separated").then(pl.col(name) ^ mixed).otherwise(name).alias(name)
        for name in ("group_high", "group_low")
    )
