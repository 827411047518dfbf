"""Which rows train and which test: by hash, whole groups, the same everywhere. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.errors import Fault, Invalid
from service.text import counted

Rows = NDArray[np.int64]
_GROUP = ("group_high", "group_low")
_ID = ("id_high", "id_low")
# A held-out split reserves all groups below a hash that is a power of two, more than it fills, so
# that added rows find their places there and move no old row elsewhere. Where that would cost more
# than this share of the rows, they are trained on instead.
SPARE_SHARE = 0.02
_ALL = 1 << 64
_ORDER_STEP = 0x9E3779B97F4A7C15  # 2^64 by the golden ratio: its multiples lie far apart


class Place(NamedTuple):
    """A place in the order in which groups are held out: by size class, then by hash."""

    size_class: int
    hash: int


FIRST_PLACE = Place(0, 0)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """`rows` fill a held-out split; `spare` are reserved for it and in no split; `rest` is free.

    Groups of the rest have places from `end` on. `moves` is true where added rows could push a
    row out of the split and into another.
    """

    rows: Rows
    spare: Rows
    rest: Rows
    end: Place
    moves: bool


def size_classes(keys: pl.DataFrame, free: Rows, *, small: int) -> NDArray[np.uint8]:
    """Return the size class of each row's group, for all rows of `keys`.

    It is 0 up to `small` free rows, 1 up to twice as many, 2 up to four times. Classes are wide,
    so that a group that grows keeps its own, and so its split, for long.
    """
    sizes = keys.select(_GROUP)[free].select(pl.len().over(_GROUP)).to_series().to_numpy()
    classes = np.zeros(keys.height, np.uint8)
    classes[free] = np.frexp((sizes.astype(np.int64) - 1) // small)[1]  # the exponent: its bits
    return classes


def group_sizes(keys: pl.DataFrame, rows: Rows) -> Rows:
    """Return how many of the rows each group has; sorting takes less memory than a hash table."""
    if not len(rows):
        return rows[:0]
    columns = [keys[name].to_numpy()[rows] for name in _GROUP]
    order = np.lexsort(columns)
    differs = np.zeros(len(rows), np.bool_)
    differs[0] = True
    for column in columns:
        ordered = column[order]
        differs[1:] |= ordered[1:] != ordered[:-1]
    return np.diff(np.flatnonzero(differs), append=len(rows))


def hold_out_rows(
    keys: pl.DataFrame,
    free: Rows,
    *,
    size: int,
    classes: NDArray[np.uint8],
    begin: Place = FIRST_PLACE,
    rows_per_group: int | None = None,
    field: str,
) -> HeldOut:
    """Take whole groups from `begin` on until `size` rows are had: small ones first, by hash.

    `classes` are the size classes of all rows: large groups are trained on, as most of their
    rows would be used nowhere. Of one group no more than `rows_per_group` rows count. The same
    rows and hashes give the same result in any order. Raises Invalid `<field>_too_large`.
    """
    if not size:
        return HeldOut(free[:0], free[:0], free, begin, moves=False)
    rows = _ordered(keys, free, classes)
    limit = rows_per_group or len(free)
    counted = rows.filter(pl.col("rank") < limit).with_row_index("place")
    if counted.height < size:
        raise _too_large(field, size, counted.height, rows_per_group)
    chosen = counted.head(size)
    last = Place(int(chosen["size_class"][-1]), int(chosen["group_high"][-1]))
    first = begin.hash if begin.size_class == last.size_class else 0
    end = min(first + _power_above(last.hash - first), _ALL)
    used = _until(rows, last, int(chosen["group_low"][-1]))
    reserved = used | ((rows["size_class"] == last.size_class) & _below(rows["group_high"], end))
    moves = int((reserved & ~used).sum()) > SPARE_SHARE * len(free)
    held = used if moves else reserved
    inside = rows["at"].is_in(chosen["at"].implode())
    return HeldOut(
        rows=_sorted_by_id(chosen),
        spare=_numbers(rows.filter(held & ~inside)),
        rest=_numbers(rows.filter(~held)),
        end=Place(last.size_class, last.hash + 1 if moves else end),
        moves=moves,
    )


def _ordered(keys: pl.DataFrame, free: Rows, classes: NDArray[np.uint8]) -> pl.DataFrame:
    """Return the free rows in the order of class, group and id, each with its rank in its group."""
    rows = keys.select(*_GROUP, *_ID)[free].with_columns(
        pl.Series("at", free), pl.Series("size_class", classes[free])
    )
    rows = rows.sort("size_class", *_GROUP, *_ID)
    return rows.with_columns(pl.Series("rank", _ranks(*(rows[name] for name in _GROUP))))


def _below(hashes: pl.Series, end: int) -> pl.Series:
    return hashes < end if end < _ALL else hashes >= 0


def _ranks(*columns: pl.Series) -> Rows:
    """Return how many rows of equal columns stand before each; equal rows are neighbours."""
    places = np.arange(len(columns[0]))
    same = np.ones(len(places), np.bool_)
    same[:1] = False
    for column in columns:
        values = column.to_numpy()
        same[1:] &= values[1:] == values[:-1]
    return places - np.maximum.accumulate(np.where(same, 0, places))


def _until(rows: pl.DataFrame, last: Place, low: int) -> pl.Series:
    same_class = pl.col("size_class") == last.size_class
    same_hash = (pl.col("group_high") == last.hash) & (pl.col("group_low") <= low)
    return rows.select(
        (pl.col("size_class") < last.size_class)
        | (same_class & ((pl.col("group_high") < last.hash) | same_hash))
    ).to_series()


def _power_above(width: int) -> int:
    return 1 << width.bit_length()


def _sorted_by_id(rows: pl.DataFrame) -> Rows:
    return _numbers(rows.sort(*_ID))


def _numbers(rows: pl.DataFrame) -> Rows:
    return rows["at"].to_numpy().astype(np.int64)


def _too_large(field: str, size: int, left: int, rows_per_group: int | None) -> Invalid:
    limit = f", {rows_per_group} of each group at most" if rows_per_group else ""
    message = f"{field} is {size}; {counted(left, 'row is', 'rows are')} left for it{limit}"
    code = f"{field}_too_large"
    return Invalid(message, code=code, faults=[Fault(f"/spec/{field}", code, message)])


def nested_order(keys: pl.DataFrame, rows: Rows, *, first: int = 0, order: int = 0) -> Rows:
    """Order rows by hash; where there are labels, take one of each in turn, so that prefixes are
    balanced. Rows whose `given` is `first` come before all others. Another `order` above 0 is by
    the distance of hashes to another point (their XOR), so that its prefixes are other rows.
    """
    chosen = keys.select("label_high", "given", *_ID)[rows].with_columns(pl.Series("at", rows))
    point = pl.lit(order * _ORDER_STEP % _ALL, pl.UInt64)
    chosen = chosen.with_columns(pl.col("id_high") ^ point)
    chosen = chosen.with_columns((pl.col("given") != first).alias("later") if first else _LATER)
    turns = chosen.sort(*_ID).with_columns(
        pl.int_range(pl.len()).over("later", "label_high").alias("turn")
    )
    return _numbers(turns.sort("later", "turn", "label_high"))


_LATER = pl.lit(value=False).alias("later")
