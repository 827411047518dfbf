"""What is odd about an evaluation's answers, and which labels were answered for which."""

import pytest

from service.evaluation.scoring.confusion import OUTSIDE, UNANSWERED, ConfusionCounts
from service.evaluation.scoring.findings import SHOWN, FindingCounts


def counted(answers: list[str], references: list[str]) -> FindingCounts:
    counts = FindingCounts()
    for position, (answer, reference) in enumerate(zip(answers, references, strict=True)):
        counts.add(position, ["empty"] if not answer else [])
        counts.add_answer(position, answer, [reference])
    return counts


def test_a_finding_tells_its_rows() -> None:
    (found,) = counted(["a", "", "b", "", "c"], list("abcde")).found()

    assert (found.code, found.rows, found.share, found.positions) == ("empty", 2, 0.4, [1, 3])
    assert found.message.startswith("2 of 5: ")


def test_only_the_first_positions_are_reported() -> None:
    (found,) = counted([""] * 5 + ["a"] * 30 + [""] * 40, ["a", "b"] * 37 + ["a"]).found()

    assert (found.rows, len(found.positions)) == (45, SHOWN)


@pytest.mark.parametrize(
    ("answers", "references", "constant"),
    [
        (["x"] * 20, ["x", "y"] * 10, True),
        (["x"] * 19 + ["y"], ["x", "y"] * 10, True),
        (["x"] * 18 + ["y"] * 2, ["x", "y"] * 10, False),
        (["x"] * 20, ["x"] * 20, False),
        (["x"] * 4, ["x", "y"] * 2, False),
        ([], [], False),
    ],
)
def test_answers_that_are_all_alike_are_found_where_they_should_differ(
    answers: list[str], references: list[str], *, constant: bool
) -> None:
    codes = [each.code for each in counted(answers, references).found()]

    assert ("constant_answers" in codes) == constant


def test_the_confusion_matrix_says_which_labels_were_answered_for_which() -> None:
    counts = ConfusionCounts(["yes", "no"])
    for expected, answer in [
        ("yes", "yes"),
        ("yes", "YES "),
        ("yes", "no"),
        ("no", "yes"),
        ("no", "perhaps"),
        ("no", None),
    ]:
        counts.add([expected], answer)
    counts.add(["no", "yes"], "yes")

    matrix = counts.matrix()

    cells = {(each.expected, each.answered): each.rows for each in matrix.cells}
    assert cells == {
        ("yes", "yes"): 3,
        ("yes", "no"): 1,
        ("no", "yes"): 1,
        ("no", OUTSIDE): 1,
        ("no", UNANSWERED): 1,
    }
    yes, no = matrix.by_label
    assert (yes.label, yes.expected, yes.answered, yes.right) == ("yes", 4, 4, 3)
    assert (yes.precision, yes.recall, yes.f1) == (75, 75, 75)
    assert (no.precision, no.recall, no.f1) == (0, 0, 0)


def test_the_matrix_agrees_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    expected = ["a", "b", "c", "a", "b", "a", "c", "c", "b"]
    answered = ["a", "b", "a", "a", "c", "b", "c", "c", "b"]
    counts = ConfusionCounts(["a", "b", "c"])
    for gold, answer in zip(expected, answered, strict=True):
        counts.add([gold], answer)

    by_label = counts.matrix().by_label

    precision, recall, f1, _ = metrics.precision_recall_fscore_support(expected, answered)
    assert [each.precision for each in by_label] == pytest.approx(100 * precision)
    assert [each.recall for each in by_label] == pytest.approx(100 * recall)
    assert [each.f1 for each in by_label] == pytest.approx(100 * f1)
