"""Texts that are nearly the same: MinHash finds candidates, exact Jaccard similarity decides.

Each text gets a sketch of 64 minima, stored in files: a hash of each band of minima, one byte of
each minimum, and the text. Then, band by band, rows with equal hashes are compared with their next
neighbours only, so the work grows with the rows and not with their pairs. Source: Broder 1997;
banding as in Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3.
"""

import math
import os
import shutil
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import BufferedRandom, BufferedWriter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.datasets.cleaning.shingles import Runs, jaccard, shingle_set, shingle_texts

MINIMA = 64
NEIGHBOURS = 4  # rows compared with each row, of those with the same hash
SHORTEST = 24  # bytes; in a shorter text one character changes the similarity too much
_SEED = 42
_RECALL = 0.985  # of pairs at the threshold; it is higher above
_SKETCHED_AT_ONCE = 200  # texts: their runs fit into a processor's cache
_PAIRS_AT_ONCE = 50_000
_PAIRS_KEPT = 500_000  # compared for clusters and needed again for splits; 100 bytes each
_LENGTHS = "lengths"
_COPIED_BYTES = 1 << 20
_SETS_KEPT = 64  # of runs of characters; one of a long text takes 1 MB

Rows = NDArray[np.int64]


def rows_per_band(threshold: float) -> int:
    """Return the most minima in a band that still finds pairs at the threshold."""
    found = [
        rows for rows in range(1, 17) if 1 - (1 - threshold**rows) ** (MINIMA // rows) >= _RECALL
    ]
    return max(found, default=1)


class NearDuplicates:
    """Texts numbered from 0 in the order they are added; their files are in `folder`."""

    def __init__(self, folder: Path, *, threshold: float) -> None:
        self.threshold = threshold
        self._folder = folder
        self._band_rows = rows_per_band(threshold)
        self._bands = [
            (folder / f"band_{number}").open("wb") for number in range(MINIMA // self._band_rows)
        ]
        self._minima = (folder / "minima").open("wb")
        self._texts = (folder / "texts").open("w+b")
        self._lengths: list[NDArray[np.int64]] = []
        self._ends = np.zeros(1, np.int64)
        self._found: set[int] = set()
        self._shingles = lru_cache(maxsize=_SETS_KEPT)(self._read_shingles)

    def add(self, texts: Sequence[str]) -> None:
        """Sketch and store texts that are folded already."""
        begins = range(0, len(texts), _SKETCHED_AT_ONCE)
        parts = [_sketch(texts[begin : begin + _SKETCHED_AT_ONCE]) for begin in begins]
        minima = np.concatenate(parts)
        for band, file in zip(_band_hashes(minima, self._band_rows), self._bands, strict=True):
            file.write(band.tobytes())
        self._minima.write(minima.astype(np.uint8).tobytes())
        encoded = [text.encode() for text in texts]
        self._texts.writelines(encoded)
        self._lengths.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))

    def save(self) -> list[Path]:
        """Write and return the files that `absorb` reads, which are merged by concatenation."""
        self._flush()
        lengths = self._folder / _LENGTHS
        lengths.write_bytes(np.diff(self._ends).tobytes())
        return [lengths, *(Path(file.name) for file in self._files)]

    def absorb(self, folder: Path) -> None:
        """Append the texts of another instance, whose saved files are in `folder`."""
        for file in self._files:
            with (folder / Path(file.name).name).open("rb") as saved:
                shutil.copyfileobj(saved, file, _COPIED_BYTES)
        self._lengths.append(np.fromfile(folder / _LENGTHS, np.int64))

    def close(self) -> None:
        """Close the files and forget what was compared; a second call does nothing."""
        for file in self._files:
            file.close()
        self._found.clear()
        self._shingles.cache_clear()

    @property
    def _files(self) -> list[BufferedWriter | BufferedRandom]:
        return [*self._bands, self._minima, self._texts]

    def similarity(self, one: int, other: int) -> float:
        """Return the exact Jaccard similarity of two texts."""
        return jaccard(self._shingles(one), self._shingles(other))

    def are_near(self, one: int, other: int) -> bool:
        """Return whether the exact Jaccard similarity of two texts reaches the threshold."""
        pair = (min(one, other) << 32) | max(one, other)
        if pair in self._found:
            return True
        near = self.similarity(one, other) >= self.threshold
        if near and len(self._found) < _PAIRS_KEPT:
            self._found.add(pair)
        return near

    def clusters(self, rows: Rows, *, kinds: NDArray[np.uint32] | None = None) -> Rows:
        """Return the first text of each text's cluster; only those of `rows` are clustered, and
        short ones are not. Texts of different `kinds` are never in one cluster.

        Rows are in one cluster if a chain of near pairs connects them. Where many have the same
        hash, the order of `rows` decides which are compared: it should depend on the texts only.
        """
        self._flush()
        rows = rows[np.diff(self._ends)[rows] >= SHORTEST]
        leaders = np.arange(len(self._ends) - 1, dtype=np.int64)
        of_kind = np.zeros(len(leaders), np.uint32) if kinds is None else kinds
        for number in range(len(self._bands)):
            for one, other in self._near_pairs(rows, number, leaders, of_kind):
                _join(leaders, one, other)
            leaders = _resolved(leaders)
        return leaders

    def _flush(self) -> None:
        for file in self._files:
            file.flush()
        lengths = np.concatenate(self._lengths) if self._lengths else np.zeros(0, np.int64)
        self._ends = np.concatenate(([np.int64(0)], np.cumsum(lengths)))

    def _near_pairs(
        self, rows: Rows, number: int, leaders: Rows, kinds: NDArray[np.uint32]
    ) -> Iterator[tuple[int, int]]:
        for one, other in self._candidates(rows, number, kinds):
            apart = leaders[one] != leaders[other]
            likely = self._likely(one[apart], other[apart])
            for first, second in zip(*likely, strict=True):
                if _leader(leaders, first) != _leader(leaders, second) and self.are_near(
                    first, second
                ):
                    yield first, second

    def _candidates(
        self, kept: Rows, number: int, kinds: NDArray[np.uint32]
    ) -> Iterator[tuple[Rows, Rows]]:
        """Yield neighbours among the rows of one kind with the same hash of a band.

        They are ordered by the hash of the next band, so that more similar rows are neighbours.
        """
        hashes = self._band(number)[kept]
        next_band = self._band((number + 1) % len(self._bands))[kept]
        hashes = hashes + (kinds[kept] * np.uint64(1 << 32))
        order = np.lexsort((next_band, hashes))
        rows, ordered = kept[order], hashes[order]
        for step in range(1, NEIGHBOURS + 1):
            same = np.flatnonzero(ordered[step:] == ordered[:-step])
            for at in range(0, len(same), _PAIRS_AT_ONCE):
                some = same[at : at + _PAIRS_AT_ONCE]
                yield rows[some], rows[some + step]

    def _band(self, number: int) -> NDArray[np.uint32]:
        return np.fromfile(self._folder / f"band_{number}", np.uint32)

    def _likely(self, one: Rows, other: Rows) -> tuple[list[int], list[int]]:
        """Keep pairs whose sketches agree as those of near texts, within four standard errors."""
        if not len(one):
            return [], []
        minima = np.memmap(self._folder / "minima", np.uint8, mode="r").reshape(-1, MINIMA)
        agreeing = (minima[one] == minima[other]).mean(axis=1)
        margin = 4 * math.sqrt(self.threshold * (1 - self.threshold) / MINIMA)
        likely = agreeing >= self.threshold - margin
        return one[likely].tolist(), other[likely].tolist()

    def _read_shingles(self, row: int) -> Runs:
        begin, end = int(self._ends[row]), int(self._ends[row + 1])
        return shingle_set(os.pread(self._texts.fileno(), end - begin, begin).decode())


def _sketch(texts: Sequence[str]) -> NDArray[np.uint32]:
    from rensa import RMinHash  # type: ignore[import-untyped]

    shingles = shingle_texts(texts)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        shingles.hashes, shingles.offsets, MINIMA, _SEED
    )
    minima = array("I")
    for row in matrix.to_rows():
        minima.fromlist(row)  # four times as fast as numpy takes lists
    return np.frombuffer(minima, np.uint32).reshape(-1, MINIMA)


def _band_hashes(minima: NDArray[np.uint32], rows: int) -> Iterator[NDArray[np.uint32]]:
    for begin in range(0, MINIMA - rows + 1, rows):
        mixed = np.zeros(len(minima), np.uint64)
        for column in range(begin, begin + rows):
            mixed = (mixed ^ minima[:, column]) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(31)
        yield (mixed >> np.uint64(32)).astype(np.uint32)


def _leader(leaders: Rows, row: int) -> int:
    while (above := int(leaders[row])) != row:
        row = above
    return row


def _join(leaders: Rows, one: int, other: int) -> None:
    first, second = sorted((_leader(leaders, one), _leader(leaders, other)))
    leaders[second] = first


def _resolved(leaders: Rows) -> Rows:
    """Return the same clusters with every row pointing at its first one directly."""
    while not np.array_equal(leaders, above := leaders[leaders]):
        leaders = above
    return leaders
