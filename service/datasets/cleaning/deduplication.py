"""Exact duplicates, in the sense a preset gives to "exact". Pure."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

_IDENTITY = ("identity_1", "identity_2", "given")
_SPELLING = ("spelling_high", "spelling_low", "row")


def first_of_each(keys: pl.DataFrame) -> NDArray[np.bool_]:
    """Return which rows stay: one of each identity, whatever the order of the rows.

    Of equal ones that differ in spelling a hash of the spelling decides. Rows whose splits were
    given apart are no duplicates: the firewall judges them.
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
