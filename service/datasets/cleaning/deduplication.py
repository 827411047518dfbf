"""Rows that repeat others: exactly, as a preset means it, or nearly within the training rows."""

from collections import defaultdict

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.datasets.cleaning.similarity_index import SimilarityIndex

_IDENTITY = ("identity_1", "identity_2", "given")
_SPELLING = ("spelling_high", "spelling_low", "row")
# Columns of keys that nothing reads later: 32 bytes a row.
ONLY_FOR_DUPLICATES = (*_IDENTITY[:2], *_SPELLING[:2])


def first_of_each(keys: pl.DataFrame) -> NDArray[np.bool_]:
    """Return a mask of the rows to keep: one of each identity, whatever the order of the rows.

    Of equal rows that differ in spelling, the lowest hash of the spelling is kept. Rows with
    different given splits are no duplicates: the leakage check compares them.
    """
    columns = [keys[name].to_numpy() for name in (*_IDENTITY, *_SPELLING)]
    order = np.lexsort(columns[::-1])
    differs = np.zeros(keys.height, np.bool_)
    differs[:1] = True
    for column in columns[: len(_IDENTITY)]:
        ordered = column[order]
        differs[1:] |= ordered[1:] != ordered[:-1]
    kept = np.zeros(keys.height, np.bool_)
    kept[order[differs]] = True
    return kept


def conflicting_pairs(pairs: pl.DataFrame) -> NDArray[np.bool_]:
    """Return which rows are in a circle of preferences: a over b and b over a, or longer ones, such
    as a over b, b over c, c over a. Which of them is wrong is not known: none should stay.

    `pairs` has the keys of a prompt with the chosen and with the rejected answer. An edge of a
    directed graph is on a circle if and only if both its ends are in one strongly connected
    component (Tarjan 1972).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.concatenate([pairs[name].to_numpy() for name in pairs.columns])
    answers, places = np.unique(ends, return_inverse=True)
    chosen, rejected = places.reshape(2, -1)
    edges = coo_array((np.ones(len(chosen), np.int32), (chosen, rejected)), (len(answers),) * 2)
    _, component = connected_components(edges, connection="strong")
    circles: NDArray[np.bool_] = component[chosen] == component[rejected]
    return circles


Rows = NDArray[np.int64]
# A row is compared with so many kept rows of its cluster: comparing all with all would take the
# square of its size.
_COMPARED = 32


def train_near_duplicates(train: Rows, index: SimilarityIndex, *, first: int = 0) -> Rows:
    """Return the training rows to leave out, so that one of each set of near-duplicates stays.

    Rows are compared in the order of their hashes, those whose `given` is `first` before all
    others. A row is left out if its Jaccard similarity with a kept row reaches the threshold and
    their targets are equal, or equal but for placeholders.
    """
    near = index.near
    if near is None:
        return train[:0]
    rows = _clustered(train, index, first)
    kept: dict[tuple[int, int], list[int]] = defaultdict(list)
    duplicates: list[int] = []
    for row, cluster, target in rows.iter_rows():
        known = kept[cluster, target]
        if any(near.are_near(row, other) for other in known[:_COMPARED]):
            duplicates.append(row)
        else:
            known.append(row)
    return np.array(sorted(duplicates), np.int64)


def _clustered(train: Rows, index: SimilarityIndex, first: int) -> pl.DataFrame:
    """Return row, cluster and target of the rows that share their cluster with another."""
    clusters = index.clusters[train]
    shared = np.bincount(clusters)[clusters] > 1
    rows = index.keys.select(
        pl.col("template").fill_null(pl.col("target")).alias("teaches"), "given", "id_high"
    )[train[shared]]
    rows = rows.with_columns(pl.Series("at", train[shared]), pl.Series("cluster", clusters[shared]))
    ordered = rows.sort(pl.col("given") != first, "id_high")
    return ordered.select("at", "cluster", "teaches")
