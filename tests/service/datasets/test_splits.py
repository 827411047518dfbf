"""Splits: whole groups, the same everywhere, nested train sets."""

import random
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from service.datasets.examples import Example
from service.datasets.splitting.hash_split import nested_order
from service.datasets.splitting.split_assignment import Sizes
from service.errors import Invalid
from tests.service.datasets.columnar import Splits, keys_of_examples, split_examples


def example(number: int, *, group: str, label: str = "") -> Example:
    text = f"text {number}"
    return Example(
        id=f"ex_{number}",
        text=text,
        target="t",
        references=("t",),
        group=group,
        row=number,
        label=label,
    )


@st.composite
def populations(draw: st.DrawFn) -> list[Example]:
    groups = draw(st.lists(st.integers(0, 12), min_size=20, max_size=60))
    labels = draw(st.sampled_from([("",), ("yes", "no"), ("a", "b", "c")]))
    return [
        example(number, group=f"g{group}", label=labels[number % len(labels)])
        for number, group in enumerate(groups)
    ]


SIZES = st.tuples(st.integers(1, 6), st.integers(0, 3), st.none() | st.integers(2, 4))


def split(population: list[Example], sizes: tuple[int, int, int | None], seed: int = 0) -> Splits:
    test_size, validation_size, rows_per_group = sizes
    try:
        return split_examples(
            population,
            seed=seed,
            test_size=test_size,
            validation_size=validation_size,
            rows_per_group=rows_per_group,
        )
    except Invalid:  # too few rows for these sizes: nothing to see
        reject()


@settings(deadline=None)
@given(population=populations(), sizes=SIZES, seed=st.integers(0, 2**31 - 1))
def test_every_example_is_in_one_place_and_sizes_are_exact(
    population: list[Example], sizes: tuple[int, int, int | None], seed: int
) -> None:
    splits = split(population, sizes, seed)

    parts = [*splits.train, *splits.validation, *splits.test]
    everything = [*parts, *splits.beyond_test, *splits.beyond_validation]
    assert sorted(each.id for each in everything) == sorted(each.id for each in population)
    assert (len(splits.test), len(splits.validation)) == sizes[:2]


@settings(deadline=None)
@given(population=populations(), sizes=SIZES, seed=st.integers(0, 2**31 - 1))
def test_no_group_is_in_two_splits(
    population: list[Example], sizes: tuple[int, int, int | None], seed: int
) -> None:
    splits = split(population, sizes, seed)

    train, validation, test = (
        {each.group for each in part} for part in (splits.train, splits.validation, splits.test)
    )
    assert not train & test
    assert not train & validation
    assert not validation & test
    assert not train & {each.group for each in (*splits.beyond_test, *splits.beyond_validation)}


@settings(deadline=None)
@given(population=populations(), limit=st.integers(2, 4))
def test_no_group_gives_a_held_out_split_more_than_its_limit(
    population: list[Example], limit: int
) -> None:
    splits = split(population, (6, 3, limit))

    for part in (splits.test, splits.validation):
        counts = Counter(each.group for each in part)
        assert all(count <= limit for count in counts.values())


@settings(deadline=None)
@given(population=populations(), sizes=SIZES, chance=st.randoms())
def test_the_order_of_the_rows_changes_nothing(
    population: list[Example], sizes: tuple[int, int, int | None], chance: random.Random
) -> None:
    shuffled = list(population)
    chance.shuffle(shuffled)

    assert split(shuffled, sizes) == split(population, sizes)


def without_outgrown(
    old: list[Example], added: list[Example], sizes: tuple[int, int, int | None]
) -> list[Example]:
    """Return the added rows but for those by which a group outgrows what is small.

    Such a group is trained on from then on, and others are tested in its place.
    """
    small = Sizes(*sizes).small_group
    before = Counter(each.group for each in old)
    counts, kept = before.copy(), []
    for each in added:
        if not before[each.group] or counts[each.group] < max(before[each.group], small):
            counts[each.group] += 1
            kept.append(each)
    return kept


@settings(deadline=None)
@given(population=populations(), more=populations(), sizes=SIZES)
def test_added_rows_never_bring_an_old_train_row_into_test(
    population: list[Example], more: list[Example], sizes: tuple[int, int, int | None]
) -> None:
    added = [example(1000 + each.row, group=f"g{each.row % 17}", label=each.label) for each in more]
    kept = without_outgrown(population, added, sizes)
    before, after = split(population, sizes), split([*population, *kept], sizes)
    old = {each.id for each in population}

    tested = {each.id for each in after.test} & old
    assert tested <= {each.id for each in before.test}
    if before.moves or after.moves:  # then only the test is safe
        return
    validated = {each.id for each in after.validation} & old
    assert validated <= {each.id for each in (*before.test, *before.validation, *before.spare)}


@pytest.mark.parametrize(("test_size", "validation_size"), [(100, 50), (150, 0)])
def test_no_old_row_changes_its_split_when_a_tenth_is_added(
    test_size: int, validation_size: int
) -> None:
    population = [example(number, group=f"g{number // 3}") for number in range(11_000)]
    sizes = (test_size, validation_size, None)
    before, after = split(population[:10_000], sizes), split(population, sizes)

    assert not before.moves
    for name in ("train", "validation", "test"):
        old = {each.id for each in getattr(before, name)}
        others = {"train", "validation", "test"} - {name}
        assert not old & {each.id for other in others for each in getattr(after, other)}
    assert len(after.test) == test_size
    spare = [*before.beyond_test, *before.beyond_validation]
    assert len(spare) < test_size + validation_size + 10


@settings(deadline=None)
@given(population=populations(), sizes=SIZES)
def test_every_prefix_of_train_is_as_balanced_as_the_labels_allow(
    population: list[Example], sizes: tuple[int, int, int | None]
) -> None:
    train = split(population, sizes).train
    total = Counter(each.label for each in train)

    for size in range(1, len(train) + 1):
        counts = Counter(each.label for each in train[:size])
        most = max(counts.values())
        assert all(counts[label] >= min(most - 1, total[label]) for label in total)


def test_another_seed_gives_another_split() -> None:
    population = [example(number, group=f"g{number}") for number in range(100)]

    first, second = (split(population, (20, 0, None), seed) for seed in (0, 1))

    assert {each.id for each in first.test} != {each.id for each in second.test}
    assert [each.id for each in first.train] != [each.id for each in second.train]


def test_another_order_gives_other_training_sets_of_the_same_rows() -> None:
    rows = np.arange(1000)
    keys = keys_of_examples(
        [example(at, group=str(at), label="ab"[at % 2]) for at in range(1000)], 0
    )
    orders = [nested_order(keys, rows, order=order) for order in range(3)]

    assert all(sorted(each) == list(rows) for each in orders)
    assert (orders[0] == nested_order(keys, rows)).all()
    for first, second in combinations(orders, 2):
        shared = len(set(first[:100]) & set(second[:100]))
        assert shared < 25  # 10 are expected of chance
    assert {sum(int(at) % 2 for at in each[:100]) for each in orders} == {50}


def test_a_known_population_is_split_as_it_always_was() -> None:
    population = [example(number, group=f"g{number % 7}") for number in range(21)]

    splits = split(population, (4, 2, None))

    assert [each.row for each in splits.test] == [17, 8, 10, 3]
    assert [each.row for each in splits.validation] == [19, 12]
    assert [each.row for each in splits.train] == [6, 7, 9, 0, 20, 16, 4, 14, 18, 13, 2, 11]


def test_a_test_size_beyond_the_data_is_refused() -> None:
    population = [example(number, group="one") for number in range(5)]

    with pytest.raises(Invalid, match="5 rows are left") as raised:
        split_examples(population, seed=0, test_size=6, validation_size=0)

    assert [fault.pointer for fault in raised.value.faults] == ["/spec/test_size"]
