"""Runs of five characters, and the Jaccard similarity of two texts by them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LENGTH = 5
_PRIME = np.uint32(0x01000193)
_MIX = np.uint32(0x9E3779B1)
_NARROW_BITS = np.uint64(12)
_WIDE = np.uint64(1 << 63)
_WIDE_PRIME = np.uint64(0x9E3779B97F4A7C15)

Runs = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Shingles:
    """Hashes of all runs of many texts in a row; text i owns `offsets[i]` to `offsets[i + 1]`."""

    hashes: NDArray[np.uint64]
    offsets: NDArray[np.int64]


def shingle_texts(texts: Sequence[str]) -> Shingles:
    """Return the hashes of the runs of each text; a shorter text is one run."""
    padded = [text.ljust(LENGTH, "\0") for text in texts]
    characters = np.frombuffer("".join(padded).encode("utf-32-le"), np.uint32)
    ends = np.cumsum(np.fromiter(map(len, padded), np.int64, len(padded)))
    whole = np.ones(len(characters), np.bool_)
    for back in range(1, LENGTH):  # a run that begins here ends in the next text
        whole[ends - back] = False
    offsets = ends - (LENGTH - 1) * np.arange(1, len(ends) + 1)
    hashes = _hashes(characters)[whole[: len(characters) - LENGTH + 1]]
    return Shingles(hashes.astype(np.uint64), np.concatenate((np.zeros(1, np.int64), offsets)))


def _hashes(characters: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return a hash of the run that begins at each character, the last few aside."""
    last = len(characters) - LENGTH + 1
    rolled = characters[:last].copy()
    for shift in range(1, LENGTH):
        rolled *= _PRIME
        rolled += characters[shift : last + shift]
    rolled *= _MIX
    rolled ^= rolled >> np.uint32(15)
    return rolled


def shingle_set(text: str) -> Runs:
    """Return the different runs of a text as sorted numbers.

    A run of characters below U+1000 is its number, 12 bits for each; any other is 63 bits of a
    hash; in a text of a million runs the chance of a collision is one in ten million.
    """
    encoded = text.ljust(LENGTH, "\0").encode("utf-32-le")
    characters = np.frombuffer(encoded, np.uint32).astype(np.uint64)
    last = len(characters) - LENGTH + 1
    runs = characters[:last].copy()
    for shift in range(1, LENGTH):
        runs <<= _NARROW_BITS
        runs |= characters[shift : last + shift]
    if (wide := characters >> _NARROW_BITS).any():
        _number_wide_runs(runs, characters, wide)
    runs.sort()
    first = np.ones(last, np.bool_)
    np.not_equal(runs[1:], runs[:-1], out=first[1:])
    return runs[first]


def _number_wide_runs(runs: Runs, characters: Runs, wide: Runs) -> None:
    last = len(runs)
    hashes, is_wide = characters[:last].copy(), wide[:last].copy()
    for shift in range(1, LENGTH):
        hashes *= _WIDE_PRIME
        hashes += characters[shift : last + shift]
        is_wide |= wide[shift : last + shift]
    np.copyto(runs, hashes | _WIDE, where=is_wide > 0)


def jaccard(one: Runs, other: Runs) -> float:
    """Return the share of runs that two texts have in common among those of either."""
    both = np.concatenate((one, other))
    both.sort()
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)
