"""Which examples train and which test: by hash, whole groups, the same everywhere. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.datasets.examples import Example, Split
from service.errors import Fault, Invalid


@dataclass(frozen=True, slots=True)
class Splits:
    """`train` is in nested order: its first n examples are the training set of size n.

    The `beyond` ones are what a held-out split had no room for in the groups it took. They are
    in no split: training on them would show test groups to the model.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    beyond_validation: tuple[Example, ...]
    beyond_test: tuple[Example, ...]

    def of(self, split: Split) -> tuple[Example, ...]:
        match split:
            case Split.TRAIN:
                return self.train
            case Split.VALIDATION:
                return self.validation
            case Split.TEST:
                return self.test


def split_examples(
    examples: Iterable[Example],
    *,
    seed: int,
    test_size: int,
    validation_size: int,
    rows_per_group: int | None = None,
) -> Splits:
    """Split by group: the same examples and seed give the same splits, in any order, anywhere.

    Groups come in the order of a hash of seed and group. Test takes whole groups until it has
    `test_size` rows, validation does the same after it, train gets the rest. Of one group they
    keep `rows_per_group` rows, if that is given, so that a few large ones do not fill them.

    When rows are added, an old row moves only one way: out of a split that others have filled
    before it, from test towards train. No row that was once in train is ever in test.
    Raises Invalid `test_size_too_large` or `validation_size_too_large`.
    """
    groups = _ordered_groups(examples, seed)
    test, beyond_test, rest = _take(groups, test_size, rows_per_group, field="test_size")
    validation, beyond_validation, rest = _take(
        rest, validation_size, rows_per_group, field="validation_size"
    )
    return Splits(
        train=_nested_order((each for group in rest for each in group), seed),
        validation=tuple(sorted(validation, key=lambda each: _hash(seed, each.id))),
        test=tuple(sorted(test, key=lambda each: _hash(seed, each.id))),
        beyond_validation=tuple(beyond_validation),
        beyond_test=tuple(beyond_test),
    )


def _ordered_groups(examples: Iterable[Example], seed: int) -> list[list[Example]]:
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        groups[example.group].append(example)
    names = sorted(groups, key=lambda name: (_hash(seed, name), name))
    return [sorted(groups[name], key=lambda each: _hash(seed, each.id)) for name in names]


def _take(
    groups: Sequence[list[Example]], size: int, rows_per_group: int | None, *, field: str
) -> tuple[list[Example], list[Example], Sequence[list[Example]]]:
    """Return `size` examples of the first groups, what these hold beyond, the other groups."""
    taken: list[Example] = []
    beyond: list[Example] = []
    used = 0
    for group in groups:
        if len(taken) >= size:
            break
        taken += group[:rows_per_group]
        beyond += [] if rows_per_group is None else group[rows_per_group:]
        used += 1
    if len(taken) < size:
        limit = f", {rows_per_group} of each group at most" if rows_per_group else ""
        message = f"{field} is {size}; {len(taken)} rows are left for it{limit}"
        code = f"{field}_too_large"
        raise Invalid(message, code=code, faults=[Fault(f"/spec/{field}", code, message)])
    return taken[:size], [*taken[size:], *beyond], groups[used:]


def _nested_order(examples: Iterable[Example], seed: int) -> tuple[Example, ...]:
    """Order by hash; where there are labels, take one of each in turn, so prefixes are balanced."""
    by_label: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_label[example.label].append(example)
    turns = [
        (turn, _hash(seed, label), example)
        for label, members in by_label.items()
        for turn, example in enumerate(sorted(members, key=lambda each: _hash(seed, each.id)))
    ]
    turns.sort(key=lambda each: each[:2])
    return tuple(example for _, _, example in turns)


def _hash(seed: int, text: str) -> bytes:
    return hashlib.blake2b(text.encode(), key=seed.to_bytes(8, "big"), digest_size=16).digest()


def check_train_sizes(sizes: Sequence[int], splits: Splits) -> None:
    """Raise Invalid `train_size_too_large` for sizes beyond the rows left for training."""
    available = len(splits.train)
    message = (
        f"{available} rows are left for training, after {len(splits.test)} for test, "
        f"{len(splits.validation)} for validation and what their groups hold beyond that"
    )
    faults = [
        Fault(f"/spec/train_sizes/{index}", "train_size_too_large", f"{size}: {message}")
        for index, size in enumerate(sizes)
        if size > available
    ]
    if faults:
        raise Invalid(message, code="train_size_too_large", faults=faults)
