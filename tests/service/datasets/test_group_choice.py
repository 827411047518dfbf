"""Which groups are tested: few rows are lost, giant groups train, and sizes that fit are named."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest

from service.datasets.formats.rows import SourceRow
from service.datasets.schemas import PrepareSpec
from service.datasets.splitting.size_search import largest
from service.errors import Invalid
from tests.service.datasets.columnar import Outcome, prepare_rows

WORDS = [f"{first}{last}" for first in "bdfgklmnprst" for last in ("alo", "eni", "ira", "opu")]
BY_AUTHOR = {
    "preset": "generic",
    "template": {"text": "{{review}}", "target": "{{item}}", "group": "{{author}}"},
}


def spec_of(**changes: Any) -> PrepareSpec:
    spec = {"source": {"type": "synthetic"}, "train_sizes": [2], "test_size": 2}
    return PrepareSpec.model_validate(spec | changes)


def sentence(seed: str) -> str:
    return " ".join(Random(seed).choices(WORDS, k=12))  # noqa: S311  nothing secret


def reviews(*authors: tuple[str, int]) -> Iterator[SourceRow]:
    """Yield so many rows of each author, all of other words."""
    names = [name for name, rows in authors for _ in range(rows)]
    for number, name in enumerate(names, start=1):
        text = sentence(f"{name} {number}")
        fields = {"review": text, "item": f"item {number}", "author": name}
        yield SourceRow(number, fields)


def unused(outcome: Outcome) -> int:
    dropped = outcome.report.dropped
    return sum(each.rows for name, each in dropped.items() if name.startswith("beyond_"))


@pytest.mark.parametrize("seed", range(8))
def test_a_giant_group_trains_and_the_small_ones_are_tested(seed: int) -> None:
    rows = reviews(("unknown", 240), *((f"author {number}", 2) for number in range(30)))

    outcome = prepare_rows(rows, spec_of(**BY_AUTHOR, train_sizes=[50], test_size=40, seed=seed))

    assert {each.group for each in outcome.splits.train} >= {"unknown"}
    assert len({each.group for each in outcome.splits.test}) == 20
    assert outcome.report.kept + unused(outcome) == 300
    assert unused(outcome) <= 6  # 2 % may be reserved for rows to come


def test_of_groups_that_are_all_large_the_smaller_are_tested() -> None:
    authors = [(f"author {number}", 20 + 10 * number) for number in range(12)]

    outcome = prepare_rows(reviews(*authors), spec_of(**BY_AUTHOR, train_sizes=[100], test_size=30))

    sizes = dict(authors)
    assert {sizes[each.group] for each in outcome.splits.test} <= {20, 30}
    assert unused(outcome) <= 20


@pytest.mark.parametrize("seed", range(4))
def test_near_copies_are_tested_as_often_as_other_rows(seed: int) -> None:
    single = [(sentence(f"single {number}"), "positive") for number in range(200)]
    copied = [
        (f"{sentence(f'cluster {number // 5}')} number {number}", "negative")
        for number in range(200)
    ]
    rows = [
        SourceRow(number, {"text": text, "sentiment": label})
        for number, (text, label) in enumerate([*single, *copied], start=1)
    ]

    outcome = prepare_rows(
        rows, spec_of(preset="sentiment", train_sizes=[50], test_size=100, seed=seed)
    )

    tested = Counter(each.label for each in outcome.splits.test)
    assert 30 <= tested["negative"] <= 70  # of 100; by the lowest hash of five it is about 75


def refusal(rows: Iterable[SourceRow], spec: PrepareSpec) -> Invalid:
    with pytest.raises(Invalid) as raised:
        prepare_rows(rows, spec)
    return raised.value


def test_train_sizes_that_do_not_fit_are_refused_with_the_sizes_that_do() -> None:
    authors = [(f"author {number}", 3) for number in range(40)]
    spec = spec_of(**BY_AUTHOR, train_sizes=[50, 100], test_size=60)

    error = refusal(reviews(*authors), spec)

    assert (error.code, [each.pointer for each in error.faults]) == (
        "train_size_too_large",
        ["/spec/train_sizes/1"],
    )
    test, train = map(int, re.findall(r"of up to (\d+)", error.message))
    for size, sizes in ((test, [50, 100]), (60, [50, train])):
        changed = spec.model_copy(update={"test_size": size, "train_sizes": tuple(sizes)})
        assert prepare_rows(reviews(*authors), changed).report.kept > 0
    larger = spec.model_copy(update={"test_size": test + 1})
    assert refusal(reviews(*authors), larger).code == "train_size_too_large"


@pytest.mark.parametrize(
    ("authors", "train", "test", "fitting"),
    [
        ([("a", 50), ("b", 50)], 60, 60, (50, 50)),
        ([("a", 60), ("b", 40)], 200, 10, (60, 10)),
        ([("a", 100)], 50, 10, ()),
        ([("a", 1)], 10, 10, ()),
    ],
)
def test_groups_that_fill_a_file_are_refused_with_the_sizes_that_fit(
    authors: list[tuple[str, int]], train: int, test: int, fitting: tuple[int, ...]
) -> None:
    spec = spec_of(**BY_AUTHOR, train_sizes=[train], test_size=test)

    message = refusal(reviews(*authors), spec).message

    found = tuple(map(int, re.findall(r"of up to (\d+)", message)))
    assert found == fitting
    if not found:
        assert "whatever the sizes: rows of a group stay together" in message
        return
    fits = spec.model_copy(update={"train_sizes": found[:1], "test_size": found[1]})
    assert prepare_rows(reviews(*authors), fits).report.kept > 0
    larger = spec.model_copy(update={"train_sizes": (found[0] + 1,), "test_size": found[1]})
    assert refusal(reviews(*authors), larger).code == "train_size_too_large"


def test_a_test_size_beyond_the_rows_is_refused_with_the_one_that_fits() -> None:
    authors = [(f"author {number}", 1) for number in range(30)]

    error = refusal(reviews(*authors), spec_of(**BY_AUTHOR, train_sizes=[10], test_size=40))

    assert error.code == "test_size_too_large"
    assert [each.pointer for each in error.faults] == ["/spec/test_size"]
    assert error.message.endswith("with 10 rows for training fits a test_size of up to 20")


def test_a_validation_size_beyond_the_rows_is_refused_with_the_one_that_fits() -> None:
    authors = [(f"author {number}", 1) for number in range(30)]
    spec = spec_of(**BY_AUTHOR, train_sizes=[10], test_size=15, validation_size=20)

    error = refusal(reviews(*authors), spec)

    assert error.code == "validation_size_too_large"
    assert "a validation_size of up to 5" in error.message


def test_smaller_groups_are_tested_where_a_train_size_needs_it() -> None:
    authors = [("one", 9), ("two", 9), *((f"author {number}", 1) for number in range(12))]

    for seed in range(6):
        outcome = prepare_rows(
            reviews(*authors), spec_of(**BY_AUTHOR, train_sizes=[20], test_size=10, seed=seed)
        )
        assert len(outcome.splits.train) >= 20


@pytest.mark.parametrize(("most", "limit"), [(1, 0), (2, 1), (100, 37), (100, 99), (0, 0)])
def test_the_largest_number_that_fits_is_found(most: int, limit: int) -> None:
    assert largest(most, fits=lambda size: size <= limit) == limit


def passages() -> list[SourceRow]:
    """Return 12 articles of 5 paragraphs with 8 questions each."""
    return [
        SourceRow(
            number + 1,
            {
                "title": f"article {number // 40}",
                "context": sentence(f"paragraph {number // 8}"),
                "question": f"{sentence(f'question {number}')}?",
                "answers": json.dumps([sentence(f"paragraph {number // 8}").split()[0]]),
            },
        )
        for number in range(480)
    ]


@pytest.mark.parametrize(("group", "tested"), [("article", 5), ("paragraph", 13)])
def test_what_each_choice_of_groups_costs_and_leaks_is_reported(group: str, tested: int) -> None:
    spec = spec_of(preset="squad", train_sizes=[50], test_size=100, group=group)

    report = prepare_rows(passages(), spec).report

    assert report.groups.tested == tested
    grains = {each.name: each for each in report.grains}
    assert {name for name, each in grains.items() if each.chosen} == {group}
    article, paragraph = grains["article"], grains["paragraph"]
    assert (article.groups, article.largest, article.groups_tested) == (12, 40, 5)
    assert (article.unused_rows, article.shared_test_rows) == (100, 0)
    assert (paragraph.groups, paragraph.largest, paragraph.groups_tested) == (60, 8, 13)
    assert paragraph.unused_rows <= 16
    assert paragraph.shared_test_rows > 80
    assert ("many_rows_unused" in {each.code for each in report.warnings}) == (group == "article")


def test_a_column_can_be_what_a_split_keeps_together() -> None:
    authors = [(f"author {number}", 5) for number in range(20)]
    template = {"text": "{{review}}", "target": "{{item}}"}
    spec = spec_of(preset="generic", template=template, group="author", test_size=10)

    outcome = prepare_rows(reviews(*authors), spec)

    assert outcome.report.groups.tested == len({each.group for each in outcome.splits.test}) == 2
    assert {each.group for each in outcome.splits.test} <= {name for name, _ in authors}


def test_a_column_for_groups_that_is_not_there_is_pointed_at() -> None:
    template = {"text": "{{review}}", "target": "{{item}}"}
    spec = spec_of(preset="generic", template=template, group="writer")

    error = refusal(reviews(("one", 5), ("two", 5)), spec)

    assert [(each.pointer, each.code) for each in error.faults] == [
        ("/spec/group", "missing_column")
    ]


def test_two_ways_to_name_groups_are_refused() -> None:
    error = refusal(reviews(("one", 5), ("two", 5)), spec_of(**BY_AUTHOR, group="author"))

    assert error.code == "group_not_allowed"


def test_a_large_group_that_no_score_speaks_of_is_named() -> None:
    rows = reviews(("unknown", 60), *((f"author {number}", 1) for number in range(40)))

    report = prepare_rows(rows, spec_of(**BY_AUTHOR, train_sizes=[20], test_size=20)).report

    assert "large_group_untested" in {each.code for each in report.warnings}
