"""Macro and micro F1 and balanced accuracy beside scikit-learn."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import Invalid
from service.evaluation.metrics.classification import COUNTS_LIMIT, LABELS_LIMIT
from service.evaluation.metrics.registry import METRICS
from service.evaluation.scoring.scores import Scored, Scorer, score
from service.inference.ports import Outcome
from tests.service.evaluation.published import value_of

LABELS = ["negative", "neutral", "positive"]
PAIRS = [("a", "a"), ("b", "b"), ("a", "b"), ("b", "b"), ("a", "a")]
BY_LABEL = ["macro_f1", "micro_f1", "balanced_accuracy"]
ROWS = st.lists(
    st.tuples(st.sampled_from([*LABELS, "I cannot say", ""]), st.sampled_from(LABELS)),
    min_size=1,
    max_size=30,
)


def scikit_learns(metric: str, said: Sequence[str], golds: Sequence[str]) -> float:
    from sklearn.metrics import f1_score, recall_score

    labels = sorted(set(golds))
    if metric == "balanced_accuracy":
        return 100 * float(
            recall_score(golds, said, labels=labels, average="macro", zero_division=0)
        )
    average = metric.removesuffix("_f1")
    return 100 * float(f1_score(golds, said, labels=labels, average=average, zero_division=0))


def scored(rows: Sequence[tuple[str, str]]) -> list[Scored]:
    return [
        Scored(f"ex_{place}", Outcome.OK, said, (gold,), f"group {place % 7}")
        for place, (said, gold) in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("macro_f1", 80 / 3), ("micro_f1", 100 / 3), ("balanced_accuracy", 100 / 3)],
)
def test_scores_equal_the_worked_example_of_the_published_metrics(
    metric: str, expected: float
) -> None:
    """The multiclass example of `evaluate`'s f1, printed there as 0.27 and 0.33."""
    said, golds = "021001", "012012"
    found = value_of(metric, list(said), [[gold] for gold in golds])
    assert found == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=80)
@given(rows=ROWS)
@pytest.mark.parametrize("metric", BY_LABEL)
def test_scores_equal_scikit_learns_whatever_is_answered(
    metric: str, rows: list[tuple[str, str]]
) -> None:
    said, golds = [each for each, _ in rows], [each for _, each in rows]
    expected = pytest.approx(scikit_learns(metric, said, golds), abs=1e-9)
    assert value_of(metric, said, [[gold] for gold in golds]) == expected
    assert score(scored(rows), metric).value == expected


def test_balanced_accuracy_is_scikit_learns() -> None:
    from sklearn.metrics import balanced_accuracy_score

    said, golds = [*"aabbbc", "a"], [*"abbbca", "a"]
    expected = 100 * balanced_accuracy_score(golds, said)
    found = value_of("balanced_accuracy", said, [[gold] for gold in golds])
    assert found == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(rows=ROWS, cut=st.integers(1, 29))
@pytest.mark.parametrize("metric", BY_LABEL)
def test_a_label_that_comes_late_counts_from_the_first_row(
    metric: str, rows: list[tuple[str, str]], cut: int
) -> None:
    """Rows come in pieces, and an early wrong answer may be a label of a later row."""
    both = scored(rows)
    scorer = Scorer(metric, references=(row.references for row in both))
    scorer.take(both[:cut])
    scorer.take(both[cut:])
    assert scorer.score() == score(both, metric)
    turned = score(both[::-1], metric)
    assert turned.value == pytest.approx(scorer.score().value)


def test_case_outer_space_and_composition_make_no_difference_but_a_sentence_is_no_label() -> None:
    for metric in BY_LABEL:
        assert value_of(metric, ["cafe\u0301"], [["café"]]) == 100
    golds = [["Positive"], ["negative"]]
    for metric in BY_LABEL:
        assert value_of(metric, [" positive\n", "NEGATIVE"], golds) == 100
    assert value_of("micro_f1", ["positive", "It is negative"], golds) == pytest.approx(200 / 3)
    assert value_of("micro_f1", ["positive", "positive"], golds) == 50


def test_a_second_reference_counts_as_right() -> None:
    for metric in BY_LABEL:
        assert value_of(metric, ["b", "a"], [["a", "b"], ["a"]]) == 100


def test_a_rare_label_weighs_as_much_as_a_frequent_one() -> None:
    said, golds = ["a"] * 100, [["a"]] * 98 + [["b"]] * 2
    assert value_of("accuracy", said, golds) == 98
    assert value_of("balanced_accuracy", said, golds) == 50
    assert value_of("macro_f1", said, golds) == pytest.approx(100 * (196 / 198) / 2)


@pytest.mark.parametrize("metric", BY_LABEL)
def test_variants_are_compared_over_the_same_labels(metric: str) -> None:
    from service.evaluation.statistics.comparison import SharedRows, VariantScores, compare

    golds = [[LABELS[place % 3]] for place in range(60)]
    right, wrong = [gold for [gold] in golds], ["neutral"] * 60
    variants = []
    for name, said in (("tuned", right), ("prompt", wrong)):
        measure = METRICS[metric].measure(golds)
        rows = measure.statistics(said, golds)
        answered = np.ones(60, dtype=bool)
        variants.append(
            VariantScores(name, rows, answered, measure.worst(golds), measure.best(golds))
        )
    shared = SharedRows(np.arange(60), METRICS[metric].measure().totals, 100, binary=False)
    found = compare(variants[0], variants[1], test=shared)
    expected = 100 - scikit_learns(metric, wrong, right)
    assert found.difference == pytest.approx(expected, abs=1e-9)
    assert found.is_shown


def test_references_of_too_many_texts_are_refused_as_no_labels() -> None:
    golds = [[f"text {place}"] for place in range(LABELS_LIMIT + 1)]
    for metric in BY_LABEL:
        METRICS[metric].measure(golds[:-1])
        with pytest.raises(Invalid, match="over 1,000") as caught:
            METRICS[metric].measure(golds)
        assert caught.value.code == "too_many_labels"
    METRICS["accuracy"].measure(golds)


def test_many_rows_may_have_fewer_labels() -> None:
    golds = ([str(place % 500)] for place in range(COUNTS_LIMIT // 500 + 1))
    with pytest.raises(Invalid, match="by rows") as caught:
        METRICS["macro_f1"].measure(golds)
    assert caught.value.code == "too_many_labels"
