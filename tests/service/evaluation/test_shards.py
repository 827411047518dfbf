"""How the rows of a large evaluation are divided, and which evaluation goes first."""

import pytest

from service.evaluation.stages.requests import plan_shards, priority_of


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
    assert [row for shard in plan for row in shard] == list(range(rows))


def test_small_evaluations_go_first() -> None:
    assert [priority_of(count) for count in (1, 500, 501, 5_000, 50_001)] == [0, 0, 1, 1, 3]
