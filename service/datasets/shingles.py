"""Runs of five characters, and how many of them two texts share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LENGTH = 5
_PRIME = np.uint32(0x01000193)
_MIX = np.uint32(0x9E3779B1)


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
    for back in range(1, LENGTH):  # a run that begins here goes on into the next text
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


def shingle_set(text: str) -> frozenset[str]:
    padded = text.ljust(LENGTH, "\0")
    return frozenset(padded[at : at + LENGTH] for at in range(len(padded) - LENGTH + 1))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of runs that two texts have in common among those of either."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
