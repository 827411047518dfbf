"""Which rows are similar: by equal keys, and by near-duplicates of their inputs."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.datasets.cleaning.near_duplicates import NearDuplicates

Rows = NDArray[np.int64]
# The leakage rules that compare rows by equal keys, and the keys of each.
_EQUAL_KEYS = {
    "leak_exact_input": ("text",),
    "leak_normalised_input": ("normalised",),
    "leak_target_template": ("template",),
    "leak_group": ("group_high", "group_low"),
}
# Columns of keys that nothing reads once rows are split and compared: 37 bytes a row.
ONLY_FOR_SPLITS = ("text", "template", "system", "label_high", "label_low")


@dataclass(frozen=True, slots=True)
class SimilarityIndex:
    """`keys` has a row for each example; `clusters` names the near-duplicate cluster of each.

    `groups` is false where rows name no group, so that equal groups are no rule of their own.
    """

    keys: pl.DataFrame
    near: NearDuplicates | None
    clusters: Rows
    groups: bool

    @property
    def rules(self) -> dict[str, tuple[str, ...]]:
        """The key columns that each rule compares."""
        return {
            rule: keys for rule, keys in _EQUAL_KEYS.items() if self.groups or rule != "leak_group"
        }

    def similar_rows(self, held: Rows, others: Rows) -> Rows:
        """Return those of the other rows that any rule finds similar to a held-out row."""
        similar = np.zeros(self.keys.height, np.bool_)
        for columns in self.rules.values():
            ours = self._keys_of(held, columns).drop_nulls()
            theirs = self._keys_of(others, columns)
            similar[theirs.join(ours, on=columns, how="semi")["at"].to_numpy()] = True
        remaining = others[~similar[others]]
        similar[[other for other, _ in self.near_pairs(remaining, held)]] = True
        return others[similar[others]]

    def equal_pairs(
        self, held: Rows, others: Rows, columns: Sequence[str]
    ) -> list[tuple[int, int]]:
        """Return each held-out row with the first other row of equal keys; null equals nothing."""
        ours = self._keys_of(held, columns).drop_nulls()
        theirs = self._keys_of(others, columns).join(ours, columns, "semi", maintain_order="left")
        firsts = theirs.unique(columns, keep="first")
        return ours.join(firsts, on=columns, suffix="_other").select("at", "at_other").rows()

    def near_pairs(self, some: Rows, others: Rows) -> Iterator[tuple[int, int]]:
        """Yield those of some rows that are near another row, each with the first such row."""
        if self.near is None:
            return
        near, clusters = self.near, self.clusters
        shared = np.intersect1d(clusters[some], clusters[others])
        members: dict[int, list[int]] = defaultdict(list)
        for other in others[np.isin(clusters[others], shared)].tolist():
            members[int(clusters[other])].append(other)
        for one in some[np.isin(clusters[some], shared)].tolist():
            found = (other for other in members[int(clusters[one])] if near.are_near(one, other))
            if (other := next(found, None)) is not None:
                yield one, other

    def _keys_of(self, rows: Rows, columns: Sequence[str]) -> pl.DataFrame:
        return self.keys.select(columns)[rows].with_columns(pl.Series("at", rows))
