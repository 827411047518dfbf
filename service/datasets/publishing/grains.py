"""What each choice of groups, a spec's and the preset's other one, costs in rows and leaks."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.datasets.drops import DropReason
from service.datasets.examples import Split
from service.datasets.preparation import SplitDataset
from service.datasets.presets.preset import Preset
from service.datasets.report.schemas import Grain
from service.datasets.splitting.hash_split import (
    FIRST_PLACE,
    group_sizes,
    hold_out_rows,
    size_classes,
)
from service.errors import Invalid

Rows = NDArray[np.int64]
_GROUP, _OTHER = ["group_high", "group_low"], ["other_high", "other_low"]
_UNUSED = (DropReason.BEYOND_TEST_SIZE, DropReason.BEYOND_VALIDATION_SIZE)
_OWN = "preset"  # the groups that a preset makes by default


def grains_of(prepared: SplitDataset, preset: Preset) -> list[Grain]:
    """Return the chosen grain and, where the preset has another, what that one would do.

    Nothing where the splits were given. The other grain comes before near-duplicates are left out.
    """
    splits, dropped = prepared.splits, prepared.assignment.dropped
    rows = np.concatenate([*splits.values(), *dropped.values()])
    if prepared.keys["given"].to_numpy()[rows].any():
        return []
    chosen, *others = preset.grains or (_OWN,)
    unused = unused_rows(prepared)
    if not others or not (prepared.keys["other_group"] != 0).any():
        return [_grain(prepared.keys, rows, splits, unused=unused, name=chosen, chosen=True)]
    keys = _with_other_groups(prepared.keys)
    found = _grain(keys, rows, splits, unused=unused, name=chosen, chosen=True)
    shared = {"shared": others[0], "shared_test_rows": _shared(keys, splits)}
    other = _other_grain(keys, rows, prepared, name=others[0], chosen=chosen)
    return [found.model_copy(update=shared), *other]


def unused_rows(prepared: SplitDataset) -> int:
    """Return how many rows of held-out groups are in no split."""
    return sum(len(prepared.assignment.dropped.get(reason, ())) for reason in _UNUSED)


def _with_other_groups(keys: pl.DataFrame) -> pl.DataFrame:
    """Return the groups, and those of the other grain: their own where rows have no other."""
    has_other = pl.col("other_group") != 0
    return keys.select(
        *_GROUP,
        "id_high",
        "id_low",
        pl.when(has_other).then("other_group").otherwise("group_high").alias("other_high"),
        pl.when(has_other).then(0).otherwise("group_low").alias("other_low"),
    )


def _other_grain(
    keys: pl.DataFrame, rows: Rows, prepared: SplitDataset, *, name: str, chosen: str
) -> list[Grain]:
    sizes = prepared.sizes
    swapped = keys.rename(dict(zip([*_GROUP, *_OTHER], [*_OTHER, *_GROUP], strict=True)))
    classes = size_classes(swapped, rows, small=sizes.small_group)
    free, begin, unused, splits = rows, FIRST_PLACE, 0, {}
    for split, size in ((Split.TEST, sizes.test), (Split.VALIDATION, sizes.validation)):
        try:
            held = hold_out_rows(
                swapped,
                free,
                size=size,
                classes=classes,
                begin=begin,
                rows_per_group=sizes.limit(split),
                field=f"{split.value}_size",
            )
        except Invalid:  # this grain has too few rows
            return []
        free, begin, unused = held.rest, held.end, unused + len(held.spare)
        splits[split] = held.rows
    splits[Split.TRAIN] = free
    found = _grain(swapped, rows, splits, unused=unused, name=name, chosen=False)
    shared = {"shared": chosen, "shared_test_rows": _shared(swapped, splits)}
    return [found.model_copy(update=shared)]


def _grain(
    keys: pl.DataFrame,
    rows: Rows,
    splits: Mapping[Split, Rows],
    *,
    unused: int,
    name: str,
    chosen: bool,
) -> Grain:
    sizes = group_sizes(keys, rows)
    return Grain(
        name=name,
        chosen=chosen,
        groups=len(sizes),
        largest=int(sizes.max(initial=0)),
        groups_tested=len(group_sizes(keys, splits[Split.TEST])),
        unused_rows=unused,
    )


def _shared(keys: pl.DataFrame, splits: Mapping[Split, Rows]) -> int:
    """Return how many test rows have the other group of a training row."""
    others = keys.select(_OTHER)
    test = others[splits[Split.TEST]]
    # Joined to the small side first, so that no table of all training rows is built.
    taught = others[splits[Split.TRAIN]].join(test, on=_OTHER, how="semi").unique()
    return test.join(taught, on=_OTHER, how="semi").height
