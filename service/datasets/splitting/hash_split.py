"""Which rows train and which test: by hash, whole groups, the same everywhere. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.errors import Fault, Invalid

Rows = NDArray[np.int64]
_GROUP = ("group_high", "group_low")
_ID = ("id_high", "id_low")
# A held-out split reserves all groups below a hash that is a power of two, more than it fills, so
# that added rows find their places there and move no old row elsewhere. That may cost one row in
# ten; a smaller data set trains on what is left over instead.
SPARE_SHARE = 0.1
_ALL = 1 << 64


@dataclass(frozen=True, slots=True)
class HeldOut:
    """`rows` fill a held-out split; `spare` are reserved for it and in no split; `rest` is free.

    Groups of the rest have hashes from `end` on. `moves` is true where added rows could push a
    row out of the split and into another.
    """

    rows: Rows
    spare: Rows
    rest: Rows
    end: int
    moves: bool


def hold_out_rows(
    keys: pl.DataFrame,
    free: Rows,
    *,
    size: int,
    begin: int = 0,
    rows_per_group: int | None = None,
    field: str,
) -> HeldOut:
    """Take whole groups, in the order of their hashes from `begin` on, until `size` rows are had.

    Of one group no more than `rows_per_group` rows count. The same rows and hashes give the same
    result in any order. Raises Invalid `<field>_too_large`.
    """
    if not size:
        return HeldOut(free[:0], free[:0], free, begin, moves=False)
    rows = _ordered(keys, free)
    limit = rows_per_group or len(free)
    counted = rows.filter(pl.col("rank") < limit).with_row_index("place")
    if counted.height < size:
        raise _too_large(field, size, counted.height, rows_per_group)
    chosen = counted.head(size)
    last = int(chosen["group_high"][-1])
    used = _until(rows, last, int(chosen["group_low"][-1]))
    end = min(begin + _power_above(last - begin), _ALL)
    reserved = rows["group_high"] < end if end < _ALL else pl.repeat(True, rows.height, eager=True)  # noqa: FBT003  a value to repeat
    moves = int((reserved & ~used).sum()) > SPARE_SHARE * len(free)
    held = used if moves else reserved
    inside = rows["at"].is_in(chosen["at"].implode())
    return HeldOut(
        rows=_sorted_by_id(chosen),
        spare=_numbers(rows.filter(held & ~inside)),
        rest=_numbers(rows.filter(~held)),
        end=last + 1 if moves else end,
        moves=moves,
    )


def _ordered(keys: pl.DataFrame, free: Rows) -> pl.DataFrame:
    """Return the free rows in the order of group and id, each with its rank in its group."""
    rows = keys.select(*_GROUP, *_ID)[free].with_columns(pl.Series("at", free))
    rows = rows.sort(*_GROUP, *_ID)
    return rows.with_columns(pl.Series("rank", _ranks(*(rows[name] for name in _GROUP))))


def _ranks(*columns: pl.Series) -> Rows:
    """Return how many rows of equal columns stand before each; equal rows are neighbours."""
    places = np.arange(len(columns[0]))
    same = np.ones(len(places), np.bool_)
    same[:1] = False
    for column in columns:
        values = column.to_numpy()
        same[1:] &= values[1:] == values[:-1]
    return places - np.maximum.accumulate(np.where(same, 0, places))


def _until(rows: pl.DataFrame, high: int, low: int) -> pl.Series:
    return rows.select(
        (pl.col("group_high") < high)
        | ((pl.col("group_high") == high) & (pl.col("group_low") <= low))
    ).to_series()


def _power_above(width: int) -> int:
    return 1 << width.bit_length()


def _sorted_by_id(rows: pl.DataFrame) -> Rows:
    return _numbers(rows.sort(*_ID))


def _numbers(rows: pl.DataFrame) -> Rows:
    return rows["at"].to_numpy().astype(np.int64)


def _too_large(field: str, size: int, left: int, rows_per_group: int | None) -> Invalid:
    limit = f", {rows_per_group} of each group at most" if rows_per_group else ""
    message = f"{field} is {size}; {left} rows are left for it{limit}"
    code = f"{field}_too_large"
    return Invalid(message, code=code, faults=[Fault(f"/spec/{field}", code, message)])


def nested_order(keys: pl.DataFrame, rows: Rows, *, first: int = 0) -> Rows:
    """Order rows by hash; where there are labels, take one of each in turn, so that prefixes are
    balanced. Rows whose `given` is `first` come before all others.
    """
    chosen = keys.select("label_high", "given", *_ID)[rows].with_columns(pl.Series("at", rows))
    chosen = chosen.with_columns((pl.col("given") != first).alias("later") if first else _LATER)
    turns = chosen.sort(*_ID).with_columns(
        pl.int_range(pl.len()).over("later", "label_high").alias("turn")
    )
    return _numbers(turns.sort("later", "turn", "label_high"))


_LATER = pl.lit(value=False).alias("later")


def check_train_sizes(sizes: Sequence[int], *, train: int, test: int, validation: int) -> None:
    """Raise Invalid `train_size_too_large` for sizes beyond the rows left for training."""
    message = (
        f"{train} rows are left for training, after {test} for test, {validation} for validation, "
        "what their groups hold beyond that, and near copies"
    )
    faults = [
        Fault(f"/spec/train_sizes/{index}", "train_size_too_large", f"{size}: {message}")
        for index, size in enumerate(sizes)
        if size > train
    ]
    if faults:
        raise Invalid(message, code="train_size_too_large", faults=faults)
