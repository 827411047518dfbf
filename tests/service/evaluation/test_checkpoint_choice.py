"""The one-standard-error rule among checkpoints."""

import pytest

from service.evaluation.plans.checkpoints import ScoredCheckpoint, choose_checkpoint


def _scored(*values: float | None, half: float = 4.0) -> list[ScoredCheckpoint]:
    return [
        ScoredCheckpoint(
            str(epoch),
            epoch,
            value,
            None if value is None else value - half,
            None if value is None else value + half,
            f"eval_{epoch}",
        )
        for epoch, value in enumerate(values, start=1)
    ]


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ((70.0, 80.0, 81.0, 79.5), "2"),  # within 2.04 of 81: the earliest of three
        ((70.0, 75.0, 81.0, 79.5), "3"),
        ((70.0, None, 70.0), "1"),
        ((None, 60.0), "2"),
    ],
)
def test_the_earliest_within_one_standard_error_of_the_best_is_chosen(
    values: tuple[float | None, ...], chosen: str
) -> None:
    found = choose_checkpoint(_scored(*values), higher_is_better=True)
    assert found is not None
    assert found.checkpoint == chosen


def test_where_lower_is_better_the_rule_is_turned_around() -> None:
    found = choose_checkpoint(_scored(30.0, 21.0, 20.0), higher_is_better=False)
    assert found is not None
    assert found.checkpoint == "2"


def test_nothing_is_chosen_where_nothing_has_a_score() -> None:
    assert choose_checkpoint(_scored(None, None), higher_is_better=True) is None
