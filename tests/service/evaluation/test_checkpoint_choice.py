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
    found = choose_checkpoint(_scored(*values), higher_is_better=True, groups=200)
    assert found is not None
    assert found.checkpoint == chosen


def test_an_interval_over_few_groups_is_of_a_smaller_standard_error() -> None:
    scored = _scored(70.0, 79.0, 81.0)  # 4 of Student's t with 4 degrees of freedom: 1.44
    found = choose_checkpoint(scored, higher_is_better=True, groups=5)
    assert found is not None
    assert found.checkpoint == "3"


def test_where_lower_is_better_the_rule_is_turned_around() -> None:
    found = choose_checkpoint(_scored(30.0, 21.0, 20.0), higher_is_better=False, groups=200)
    assert found is not None
    assert found.checkpoint == "2"


def test_nothing_is_chosen_where_nothing_has_a_score() -> None:
    assert choose_checkpoint(_scored(None, None), higher_is_better=True, groups=200) is None
