"""Training rows whose label is perhaps wrong: which are listed, and in which order."""

import random
from dataclasses import replace

import pytest

from service.datasets.schemas import PrepareSpec
from service.errors import Invalid
from service.experiments.label_errors import LabelError, Vote, rank_label_errors
from service.experiments.label_neighbours import weigh_neighbours
from service.experiments.schemas import ExperimentSpec
from service.experiments.variants import label_checks, plan_variants

LABELS = ("a", "b", "c")


def vote(model: str, position: int, label: str, answer: str) -> Vote:
    return Vote(model, position, label, answer, label == answer)


def experiment(rows: int) -> ExperimentSpec:
    source = {"type": "synthetic", "rows": 1000}
    prepare = {"preset": "pii", "source": source, "train_sizes": [50, 200], "test_size": 40}
    return ExperimentSpec.model_validate(
        {"prepare": PrepareSpec.model_validate(prepare), "label_errors": {"rows": rows}}
    )


@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_planted_wrong_labels_stand_first(noise: float) -> None:
    """Three models that are right on 85 of 100 rows, each by itself, and 1,000 labels."""
    chance = random.Random(4)  # noqa: S311  repeatable
    votes, wrong = [], set()
    for place in range(1000):
        true = chance.choice(LABELS)
        label = true
        if chance.random() < noise:
            wrong.add(place)
            label = chance.choice([each for each in LABELS if each != true])
        for model in ("50", "200", "800"):
            answer = true if chance.random() < 0.85 else chance.choice(LABELS)
            votes.append(vote(model, place, label, answer))
    found = [each.position for each in rank_label_errors(votes, closed=True)]
    assert sum(place in wrong for place in found[:20]) >= 18


def test_what_a_model_always_confuses_is_no_evidence_against_a_label() -> None:
    """It answers b to every a: an a that it calls b says little, an a that it calls c much."""
    votes = [vote("50", place, "a", "b") for place in range(40)]
    votes += [vote("50", place, "c", "c") for place in range(40, 80)]
    votes.append(vote("50", 80, "a", "c"))
    found = rank_label_errors(votes, closed=True)
    assert (found[0].position, found[0].suggested) == (80, "c")


def test_a_vote_that_its_model_is_sure_of_says_more() -> None:
    agreed = [
        vote(model, place, "ab"[place % 2], "ab"[place % 2])
        for model in "xy"
        for place in range(20)
    ]
    doubted = [
        replace(vote(model, place, "a", "b"), probability=chance)
        for model in "xy"
        for place, chance in ((20, 0.6), (22, 0.99), (24, 0.3))
    ]
    found = rank_label_errors([*agreed, *doubted], closed=True)
    assert [each.position for each in found][:2] == [22, 20]
    plain = rank_label_errors(
        [*agreed, *(replace(each, probability=None) for each in doubted)], closed=True
    )
    assert len({each.evidence for each in plain}) == 1, "without probabilities they are alike"


def test_models_that_agree_with_the_label_or_not_with_each_other_list_nothing() -> None:
    agreed = [vote(model, place, "a", "a") for model in "xyz" for place in range(20)]
    torn = [vote("x", 20, "a", "b"), vote("y", 20, "a", "c"), vote("z", 20, "a", "a")]
    assert rank_label_errors([*agreed, *torn], closed=True) == []
    assert rank_label_errors([*agreed, *torn], closed=False) == []


def test_of_open_answers_equal_ones_support_each_other() -> None:
    agreed = [vote(model, place, "same", "same") for model in "xy" for place in range(20)]
    odd = [vote(model, 20, "written so", "written otherwise") for model in "xy"]
    (found,) = rank_label_errors([*agreed, *odd], closed=False)
    assert (found.position, found.suggested, found.votes) == (20, "written otherwise", 2)


def test_a_single_train_size_finds_no_label_errors() -> None:
    spec = experiment(10)
    with pytest.raises(Invalid, match="two train sizes"):
        label_checks(plan_variants([50], spec), spec)


@pytest.mark.parametrize(("rows", "first"), [(10, 190), (500, 50)])
def test_a_smaller_model_is_asked_the_last_rows_that_it_has_not_seen(rows: int, first: int) -> None:
    spec = experiment(rows)
    (check,) = label_checks(plan_variants([50, 200], spec), spec)
    assert (check.variant.train_size, check.first_row, check.last_row) == (50, first, 200)


def test_rows_among_rows_of_the_suggested_label_stand_before_others() -> None:
    """Two rows with the same votes: one lies among rows of the other label, one among its own."""
    texts = {place: (f"the parcel is late, number {place}", "late") for place in range(20)}
    texts |= {place: (f"please refund my order {place}", "refund") for place in range(20, 40)}
    texts |= {40: ("my order, refund please", "refund"), 41: ("please refund my order", "late")}
    suspects = [
        LabelError(40, "refund", "late", votes=2, models=2, evidence=3.0),
        LabelError(41, "late", "refund", votes=2, models=2, evidence=3.0),
    ]
    first, second = weigh_neighbours(suspects, texts)
    assert (first.position, second.position) == (41, 40)
    assert first.evidence > suspects[1].evidence
    assert second.evidence < suspects[0].evidence
    assert weigh_neighbours([], texts) == []


def test_a_row_that_is_like_no_other_keeps_its_evidence() -> None:
    rows = {0: ("xyz", "a"), 1: ("", "b"), 2: ("ünlike", "b")}
    (found,) = weigh_neighbours([LabelError(0, "a", "b", votes=1, models=1, evidence=2.0)], rows)
    assert found.evidence == 2.0
