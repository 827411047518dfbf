"""The firewall: what test or validation rows have in common with rows that are trained on."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.datasets.cleaning.near_duplicates import NearDuplicates
from service.datasets.conversion.row_conversion import GIVEN
from service.datasets.examples import Split
from service.errors import Fault, Invalid

Rows = NDArray[np.int64]
PAIRS_SHOWN = 20
_COPIED_SHARE = 0.9  # of validation rows that are train rows: then they are one set
# The rules that two rows are compared by, and the key that must differ.
_EQUAL = {
    "leak_exact_input": ("text",),
    "leak_normalised_input": ("normalised",),
    "leak_target_template": ("template",),
    "leak_group": ("group_high", "group_low"),
}
NEAR = "leak_near_input"
MEANINGS = {
    "leak_exact_input": "the same input",
    "leak_normalised_input": "the same input but for case, white space and punctuation",
    NEAR: "nearly the same input",
    "leak_target_template": "the same target but for its placeholders",
    "leak_group": "a row of the same group",
    "shot_in_test": "an example that is shown in prompts",
    "validation_is_train": "a training row",
}


@dataclass(frozen=True, slots=True)
class Likeness:
    """What tells that two rows are alike. `groups` is false where rows name no group."""

    keys: pl.DataFrame
    near: NearDuplicates | None
    clusters: Rows
    groups: bool

    @property
    def rules(self) -> dict[str, tuple[str, ...]]:
        return {rule: by for rule, by in _EQUAL.items() if self.groups or rule != "leak_group"}


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


Found = dict[tuple[str, Split, Split], Leaks]


def leaking_rows(held: Rows, others: Rows, likeness: Likeness) -> Rows:
    """Return those of the other rows that are too like a held-out row to be trained on."""
    leaking = np.zeros(likeness.keys.height, np.bool_)
    for columns in likeness.rules.values():
        ours = _with(columns, held, likeness.keys).drop_nulls()
        theirs = _with(columns, others, likeness.keys)
        leaking[theirs.join(ours, on=columns, how="semi")["at"].to_numpy()] = True
    remaining = others[~leaking[others]]
    leaking[[other for other, _ in _near_pairs(remaining, held, likeness)]] = True
    return others[leaking[others]]


def find_leaks(splits: Mapping[Split, Rows], likeness: Likeness) -> Found:
    """Compare test with all that is seen before it, and validation with train, by every rule."""
    found: Found = {}
    sides = (
        (Split.TEST, Split.TRAIN),
        (Split.TEST, Split.VALIDATION),
        (Split.VALIDATION, Split.TRAIN),
    )
    for held, other in sides:
        for rule, pairs in _pairs_by_rule(splits[held], splits[other], likeness):
            _note(found, rule, held, other, pairs, likeness.keys["row"])
        _note_shots(found, held, splits, likeness)
    _note_copied_validation(found, splits)
    return found


def _pairs_by_rule(
    held: Rows, others: Rows, likeness: Likeness
) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    for rule, columns in likeness.rules.items():
        yield rule, _equal_pairs(held, others, columns, likeness.keys)
    yield NEAR, list(_near_pairs(held, others, likeness))


def _note(
    found: Found,
    rule: str,
    held: Split,
    other: Split,
    pairs: list[tuple[int, int]],
    numbers: pl.Series,
) -> None:
    if pairs:
        shown = sorted((int(numbers[one]), int(numbers[two])) for one, two in pairs)[:PAIRS_SHOWN]
        found[rule, held, other] = Leaks(len(pairs), [Pair(*pair) for pair in shown])


def _with(columns: tuple[str, ...], rows: Rows, keys: pl.DataFrame) -> pl.DataFrame:
    return keys.select(columns)[rows].with_columns(pl.Series("at", rows))


def _equal_pairs(
    held: Rows, others: Rows, columns: tuple[str, ...], keys: pl.DataFrame
) -> list[tuple[int, int]]:
    """Return each held-out row with the first other row of equal keys; null equals nothing."""
    ours = _with(columns, held, keys).drop_nulls()
    theirs = _with(columns, others, keys).join(ours, columns, "semi", maintain_order="left")
    firsts = theirs.unique(columns, keep="first")
    return ours.join(firsts, on=columns, suffix="_other").select("at", "at_other").rows()


def _near_pairs(some: Rows, others: Rows, likeness: Likeness) -> Iterator[tuple[int, int]]:
    """Yield those of some rows that are near another row, each with the first one it is near."""
    near = likeness.near
    if near is None:
        return
    clusters = likeness.clusters
    shared = np.intersect1d(clusters[some], clusters[others])
    members: dict[int, list[int]] = defaultdict(list)
    for other in others[np.isin(clusters[others], shared)].tolist():
        members[int(clusters[other])].append(other)
    for one in some[np.isin(clusters[some], shared)].tolist():
        found = (other for other in members[int(clusters[one])] if near.are_near(one, other))
        if (other := next(found, None)) is not None:
            yield one, other


def _note_shots(
    found: Found, held: Split, splits: Mapping[Split, Rows], likeness: Likeness
) -> None:
    train = splits[Split.TRAIN]
    shots = train[likeness.keys["given"].to_numpy()[train] == GIVEN["shot"]]
    if held is not Split.TEST or not len(shots):
        return
    pairs = _equal_pairs(splits[held], shots, ("normalised",), likeness.keys)
    _note(found, "shot_in_test", held, Split.TRAIN, pairs, likeness.keys["row"])


def _note_copied_validation(found: Found, splits: Mapping[Split, Rows]) -> None:
    side = (Split.VALIDATION, Split.TRAIN)
    copies = found.get(("leak_exact_input", *side))
    if copies and copies.rows >= _COPIED_SHARE * len(splits[Split.VALIDATION]):
        found["validation_is_train", *side] = copies


def refuse_leaks(found: Found, *, name: Callable[[Split, int], str]) -> None:
    """Raise Invalid `leakage` with the pairs of rows; `name` says how a user knows a row."""
    faults = [
        Fault(
            name(held, pair.held),
            rule,
            f"{MEANINGS[rule]} is in {other.value}: {name(other, pair.other)}; take one of them "
            "out, or go on with `allow_leakage`",
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
