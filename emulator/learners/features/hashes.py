"""Mix hashed features into a fixed number of columns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Columns = NDArray[np.int32]

BITS = 16
WIDTH = 1 << BITS
# Odd 64-bit multipliers of splitmix64 and xxHash: any odd constant with mixed bits would do.
_STEP = np.uint64(0xC2B2AE3D27D4EB4F)
_SCATTER = np.uint64(0xBF58476D1CE4E5B9)
_LEFT, _RIGHT = np.uint64(0x9E3779B1), np.uint64(0x85EBCA77)


def cross(left: Hashes, right: Hashes) -> Hashes:
    """Return the hash of two features seen together; the order matters."""
    return left * _LEFT + right * _RIGHT


def cross_all(*parts: Hashes) -> Hashes:
    """Cross several features, the first with the cross of the others."""
    crossed = parts[-1]
    for part in reversed(parts[:-1]):
        crossed = cross(part, crossed)
    return crossed


def columns_of(features: Sequence[Hashes]) -> Columns:
    """Return rows x features column numbers; equal values of different features stay apart."""
    hashes = np.stack(features, axis=1)
    hashes += np.arange(hashes.shape[1], dtype=np.uint64) * _STEP
    hashes ^= hashes >> np.uint64(29)
    hashes *= _SCATTER
    hashes ^= hashes >> np.uint64(32)
    return (hashes & np.uint64(WIDTH - 1)).astype(np.int32)
