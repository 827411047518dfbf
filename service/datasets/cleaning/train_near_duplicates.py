"""Training rows that teach what another one teaches: nearly the same input, the same target."""

from collections import defaultdict

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.datasets.splitting.leakage import Likeness

Rows = NDArray[np.int64]
# A row is compared with so many kept rows of its cluster; a cluster of more is no cluster of
# copies, and comparing all with all would take the square of its size.
_COMPARED = 32


def near_copies(train: Rows, likeness: Likeness, *, first: int = 0) -> Rows:
    """Return the training rows to leave out, so that one of each set of near copies stays.

    Rows are looked at in the order of their hashes, those whose `given` is `first` before all
    others. One is left out when its true Jaccard with a row that stays reaches the threshold and
    their targets are equal, or equal but for placeholders.
    """
    near = likeness.near
    if near is None:
        return train[:0]
    rows = _clustered(train, likeness, first)
    kept: dict[tuple[int, int], list[int]] = defaultdict(list)
    copies: list[int] = []
    for row, cluster, target in rows.iter_rows():
        known = kept[cluster, target]
        if any(near.are_near(row, other) for other in known[:_COMPARED]):
            copies.append(row)
        else:
            known.append(row)
    return np.array(sorted(copies), np.int64)


def _clustered(train: Rows, likeness: Likeness, first: int) -> pl.DataFrame:
    """Return row, cluster and target of the rows that share their cluster with another."""
    clusters = likeness.clusters[train]
    shared = np.bincount(clusters)[clusters] > 1
    rows = likeness.keys.select(
        pl.col("template").fill_null(pl.col("target")).alias("teaches"), "given", "id_high"
    )[train[shared]]
    rows = rows.with_columns(pl.Series("at", train[shared]), pl.Series("cluster", clusters[shared]))
    ordered = rows.sort(pl.col("given") != first, "id_high")
    return ordered.select("at", "cluster", "teaches")
