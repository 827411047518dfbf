"""Which of several answers counts."""

from datetime import UTC, datetime

import pytest

from service.evaluation.plan import key_of, parts_of
from service.evaluation.sharding import plan_shards, priority_of
from service.evaluation.votes import Sample, elect

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def samples(*texts: str) -> list[Sample]:
    """Return samples in order; one that starts with `!` has that word as its outcome instead."""
    return [
        Sample(
            example_id="ex",
            sample=number,
            outcome=text.removeprefix("!") if text.startswith("!") else "ok",
            text="" if text.startswith("!") else text,
            finish_reason="STOP",
            error="",
            prompt_tokens=1,
            output_tokens=1,
            synthetic=True,
            cached=False,
            created_at=NOW,
        )
        for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("texts", "elected", "agreement"),
    [
        (("a",), 0, 1),
        (("a", "b", "b"), 1, 2),
        (("b", "a", "a ", " b"), 0, 2),
        (("a", "b", "c"), 0, 1),
        (("!failed", "!refused", "c"), 2, 1),
        (("!refused", "!failed"), 0, 0),
        (("!truncated", "a", "b", "b"), 2, 2),
    ],
)
def test_the_answer_given_most_often_counts_and_of_equals_the_earliest(
    texts: tuple[str, ...], elected: int, agreement: int
) -> None:
    found, agreed = elect(samples(*texts))
    assert (found.sample, agreed) == (elected, agreement)


@pytest.mark.parametrize(
    ("rows", "requests", "slots", "shards"),
    [
        (200, 200, 4, 1),
        (201, 201, 4, 2),
        (1200, 1200, 2, 2),
        (100_000, 100_000, 16, 16),
        (1200, 1200, 1, 1),
        (1200, 90, 8, 1),
        (3, 3000, 8, 3),
    ],
)
def test_shards_cover_every_row_once_and_none_is_small(
    rows: int, requests: int, slots: int, shards: int
) -> None:
    plan = plan_shards(rows, requests=requests, slots=slots)
    assert len(plan) == shards
    assert [row for shard in plan for row in range(shard.first, shard.last)] == list(range(rows))


def test_who_asks_for_little_goes_first() -> None:
    assert [priority_of(count) for count in (1, 500, 501, 5_000, 50_001)] == [0, 0, 1, 1, 3]


def test_a_key_names_an_example_whatever_its_id_holds() -> None:
    assert parts_of(key_of("a/b", 12)) == ("a/b", 12)
