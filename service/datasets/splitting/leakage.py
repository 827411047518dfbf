"""Leakage: what test or validation rows have in common with rows that are trained on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.datasets.cleaning.similarity_index import SimilarityIndex
from service.datasets.examples import SPLIT_CODES, Split
from service.datasets.leak_rules import MEANINGS, NEAR
from service.errors import Fault, Invalid

Rows = NDArray[np.int64]
PAIRS_SHOWN = 20
_COPIED_SHARE = 0.9  # of validation rows that are train rows: then they are one set


@dataclass(frozen=True, slots=True)
class Pair:
    """A held-out row and a row of another split, both by the numbers of their source rows."""

    held: int
    other: int


@dataclass(slots=True)
class Leaks:
    """What one rule found: how many held-out rows leak, and the first pairs."""

    rows: int = 0
    pairs: list[Pair] = field(default_factory=list)


FoundLeaks = dict[tuple[str, Split, Split], Leaks]


def find_leaks(splits: Mapping[Split, Rows], index: SimilarityIndex) -> FoundLeaks:
    """Compare test with all that is seen before it, and validation with train, by every rule."""
    found: FoundLeaks = {}
    sides = (
        (Split.TEST, Split.TRAIN),
        (Split.TEST, Split.VALIDATION),
        (Split.VALIDATION, Split.TRAIN),
    )
    for held, other in sides:
        for rule, columns in index.rules.items():
            pairs = index.equal_pairs(splits[held], splits[other], columns)
            _note(found, rule, held, other, pairs, index.keys["row"])
        pairs = list(index.near_pairs(splits[held], splits[other]))
        _note(found, NEAR, held, other, pairs, index.keys["row"])
        _note_shots(found, held, splits, index)
    _note_copied_validation(found, splits)
    return found


def _note(
    found: FoundLeaks,
    rule: str,
    held: Split,
    other: Split,
    pairs: list[tuple[int, int]],
    numbers: pl.Series,
) -> None:
    if pairs:
        shown = sorted((int(numbers[one]), int(numbers[two])) for one, two in pairs)[:PAIRS_SHOWN]
        found[rule, held, other] = Leaks(len(pairs), [Pair(*pair) for pair in shown])


def _note_shots(
    found: FoundLeaks, held: Split, splits: Mapping[Split, Rows], index: SimilarityIndex
) -> None:
    train = splits[Split.TRAIN]
    shots = train[index.keys["given"].to_numpy()[train] == SPLIT_CODES["shot"]]
    if held is not Split.TEST or not len(shots):
        return
    pairs = index.equal_pairs(splits[held], shots, ("normalised",))
    _note(found, "shot_in_test", held, Split.TRAIN, pairs, index.keys["row"])


def _note_copied_validation(found: FoundLeaks, splits: Mapping[Split, Rows]) -> None:
    side = (Split.VALIDATION, Split.TRAIN)
    copies = found.get(("leak_exact_input", *side))
    if copies and copies.rows >= _COPIED_SHARE * len(splits[Split.VALIDATION]):
        found["validation_is_train", *side] = copies


def refuse_leaks(found: FoundLeaks, *, name: Callable[[Split, int], str]) -> None:
    """Raise Invalid `leakage` with the pairs of rows; `name` says how a user knows a row."""
    faults = [
        Fault(
            name(held, pair.held),
            rule,
            f"{MEANINGS[rule]} is in {other.value}: {name(other, pair.other)}; take one of them "
            "out, or allow it with `allow_leakage`",
        )
        for (rule, held, other), leaks in found.items()
        for pair in islice(leaks.pairs, PAIRS_SHOWN)
    ]
    if faults:
        total = ", ".join(
            f"{rule} {leaks.rows} of {held.value} in {other.value}"
            for (rule, held, other), leaks in found.items()
        )
        raise Invalid(f"held-out rows leak: {total}", code="leakage", faults=faults)
