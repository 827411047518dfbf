"""Bounds of scores: whatever the missing rows would have been answered, the score lies within."""

from collections.abc import Sequence
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.evaluation.metrics.registry import METRICS
from service.evaluation.scoring.scores import Score, Scored, score
from service.inference.ports import Outcome

LABELS = ("a", "b", "c")
NONE = "no label"
TEXTS = (
    "",
    "one two three four five six",
    "one two three four",
    "Call [NAME] at [PHONE] now please",
    "Call [NAME] now",
    '{"a": 1, "b": [2, 3]}',
    '{"a": 1}',
    "six five four three two one",
    "one",
)


def rows_of(
    said: Sequence[str | None], golds: Sequence[Sequence[str]], text: str = "Call Ada at 5 now"
) -> list[Scored]:
    """Return rows; None is one without an answer."""
    return [
        Scored(
            f"ex_{at}",
            Outcome.FAILED if answer is None else Outcome.OK,
            answer or "",
            tuple(references),
            f"g{at}",
            text=text,
            rejected="seven eight",
        )
        for at, (answer, references) in enumerate(zip(said, golds, strict=True))
    ]


def value_of(rows: list[Scored], metric: str) -> float:
    found = score(rows, metric).value
    assert found is not None
    return found


def ends(found: Score) -> tuple[float, float]:
    assert found.worst is not None
    assert found.best is not None
    return min(found.worst, found.best), max(found.worst, found.best)


label = st.sampled_from(LABELS)


@pytest.mark.parametrize("metric", ["macro_f1", "micro_f1", "balanced_accuracy", "accuracy"])
@settings(max_examples=25, deadline=None)
@given(
    answered=st.lists(st.tuples(st.sampled_from((*LABELS, NONE)), label), min_size=1, max_size=7),
    missing=st.lists(label, min_size=1, max_size=3),
)
def test_bounds_of_labels_are_the_worst_and_the_best_of_all_answers(
    metric: str, answered: list[tuple[str, str]], missing: list[str]
) -> None:
    said, golds = [[*column] for column in zip(*answered, strict=True)]
    all_golds = [[gold] for gold in (*golds, *missing)]
    found = score(rows_of([*said, *[None] * len(missing)], all_golds), metric)
    possible = [
        value_of(rows_of([*said, *answers], all_golds), metric)
        for answers in product((*LABELS, NONE), repeat=len(missing))
    ]
    low, high = ends(found)
    assert high == pytest.approx(max(possible), abs=1e-4)
    if metric == "micro_f1" and len({gold for [gold] in all_golds}) == 1:
        assert low <= min(possible)  # a bound only: there is no other label to name
    else:
        assert low == pytest.approx(min(possible), abs=1e-4)


@pytest.mark.parametrize("metric", ["macro_f1", "balanced_accuracy"])
@settings(max_examples=25, deadline=None)
@given(
    said=st.lists(st.sampled_from((*LABELS, NONE)), min_size=4, max_size=7),
    golds=st.lists(st.lists(label, min_size=1, max_size=2), min_size=9, max_size=9),
)
def test_bounds_of_labels_hold_where_several_are_right(
    metric: str, said: list[str], golds: list[list[str]]
) -> None:
    asked = golds[: len(said) + 2]
    low, high = ends(score(rows_of([*said, None, None], asked), metric))
    for answers in product((*LABELS, NONE), repeat=2):
        value = value_of(rows_of([*said, *answers], asked), metric)
        assert low - 1e-4 <= value <= high + 1e-4


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_no_failure_moves_a_score_beyond_its_bounds(metric: str) -> None:
    random = Random(7)  # noqa: S311  repeatable draws
    longest = " ".join(sorted(TEXTS, key=len)[-3:])
    for _ in range(12):
        golds = [[gold for gold in random.sample(TEXTS, 2) if gold] for _ in range(12)]
        answers = [random.choice((*each, *TEXTS)) for each in golds]
        answers[0] = longest  # no missing answer is longer
        lost = [None if at in {3, 7} else answer for at, answer in enumerate(answers)]
        low, high = ends(score(rows_of(lost, golds), metric))
        assert low - 1e-4 <= value_of(rows_of(answers, golds), metric) <= high + 1e-4
