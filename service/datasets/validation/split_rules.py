"""The rules about splits and groups: what scores of a dataset can and cannot say. Pure."""

from collections.abc import Iterator

from service.datasets.validation.dataset_facts import DatasetFacts, DatasetRule, Finding
from service.text import counted

FEW_TEST_GROUPS = 10
_MANY_UNUSED = 0.1
_LARGE_GROUP = 0.25


def few_test_groups(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.test_groups < FEW_TEST_GROUPS:
        message = (
            f"the test rows come from {facts.test_groups} groups: their scores say little "
            "about others"
        )
        yield Finding("few_test_groups", message)


def rows_like_held_out(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.near_test_rows > 0.1 * max(facts.kept, 1):
        left_out = counted(facts.near_test_rows, "row was", "rows were")
        message = f"{left_out} left out as too like held-out rows; name a better group"
        yield Finding("many_rows_like_held_out", message)


def unused_rows(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.unused_rows > _MANY_UNUSED * (facts.kept + facts.unused_rows):
        unused = counted(facts.unused_rows, "row is", "rows are")
        message = (
            f"{unused} used nowhere, because their groups are held out; hold out fewer rows, or "
            "name a finer `group`"
        )
        yield Finding("many_rows_unused", message, count=facts.unused_rows)


def untested_group(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.untested_group_rows > _LARGE_GROUP * facts.kept:
        message = (
            f"one group has {facts.untested_group_rows} of {facts.kept} rows and is trained on: "
            "scores say nothing about rows like these"
        )
        yield Finding("large_group_untested", message, count=facts.untested_group_rows)


def splits_move(facts: DatasetFacts) -> Iterator[Finding]:
    if facts.moves:
        message = (
            "the data are few for this test size: added rows may bring test rows into training, "
            "so compare models on the newer test"
        )
        yield Finding("splits_move", message)


SPLIT_RULES: tuple[DatasetRule, ...] = (
    few_test_groups,
    rows_like_held_out,
    unused_rows,
    untested_group,
    splits_move,
)
