"""Which labels were answered for which: the confusion matrix of an evaluation. Pure."""

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, Field

from service.evaluation.metrics.normal_forms import fold_label

OUTSIDE, UNANSWERED = "(outside the labels)", "(not answered)"


class ConfusionCell(BaseModel):
    """Rows of one label that got one answer."""

    expected: str = Field(description="the label that is right")
    answered: str = Field(description=f"a label, `{OUTSIDE}` or `{UNANSWERED}`")
    rows: int


class LabelScore(BaseModel):
    """How one label fared; shares are from 0 to 100, null where there is nothing to share."""

    label: str
    expected: int = Field(description="answered rows of this label")
    answered: int = Field(description="rows that got this answer")
    right: int = Field(description="rows of this label that got it")
    precision: float | None = Field(description="right ones of those answered so")
    recall: float | None = Field(description="right ones of those expected")
    f1: float | None = Field(description="harmonic mean of precision and recall")


class ConfusionMatrix(BaseModel):
    """The cells that are not empty, most rows first, and how each label fared."""

    labels: list[str] = Field(description="the task's, then others that references have")
    cells: list[ConfusionCell] = Field(description="most rows first")
    by_label: list[LabelScore] = Field(description="in the order of `labels`")


class ConfusionCounts:
    """Counts expected and answered labels row by row; `labels` as the task spells them."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._spelled = {fold_label(label): label for label in labels}
        self._cells: Counter[tuple[str, str]] = Counter()

    def add(self, references: Sequence[str], answer: str | None) -> None:
        """Add a row; `answer` is None where it has none. Of several references one met counts."""
        golds = [self._spelled.get(fold_label(gold), gold) for gold in references]
        given = UNANSWERED if answer is None else self._spelled.get(fold_label(answer), OUTSIDE)
        expected = given if given in golds else golds[0]
        self._cells[expected, given] += 1

    def matrix(self) -> ConfusionMatrix:
        known = [*self._spelled.values()]
        seen = sorted({expected for expected, _ in self._cells} - set(known))
        labels = [*known, *seen]
        expected, answered = Counter[str](), Counter[str]()
        for (gold, given), rows in self._cells.items():
            expected[gold] += rows * (given != UNANSWERED)
            answered[given] += rows
        cells = [
            ConfusionCell(expected=expected, answered=answered, rows=rows)
            for (expected, answered), rows in self._cells.most_common()
        ]
        by_label = [
            _label_score(each, self._cells[each, each], expected[each], answered[each])
            for each in labels
        ]
        return ConfusionMatrix(labels=labels, cells=cells, by_label=by_label)


def _label_score(label: str, right: int, expected: int, answered: int) -> LabelScore:
    return LabelScore(
        label=label,
        expected=expected,
        answered=answered,
        right=right,
        precision=_share(right, answered),
        recall=_share(right, expected),
        f1=_share(2 * right, expected + answered),
    )


def _share(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None
