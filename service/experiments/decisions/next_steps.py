"""What would make an experiment's answer better: more labels, more test rows. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from service.evaluation.statistics.comparison import Comparison
from service.experiments.decisions.decision import Decision
from service.experiments.decisions.front import CALLS, VariantCost
from service.experiments.learning_curve.curve import LearningCurve, Point, Verdict

StepKind = Literal["labels", "test_rows", "replicates"]
StepQuestion = Literal["curve", "worth", "size"]

_MOST_TIMES = 20  # as many test rows as now: sizes that need more are as good as equal
_TUNINGS_MORE = 2  # of each size: with the first they make three


@dataclass(frozen=True, slots=True)
class NextStep:
    """One thing to buy: `amount` more labelled rows, what it is expected to bring, its price.

    `decides` names the question that it answers: whether more data helps (`curve`), whether tuning
    beats the best prompt (`worth`), whether the recommended size is worse than the best (`size`).
    `labels` double the largest train size: `gain` is the estimated gain on the metric's scale,
    `gain_low` and `gain_high` its central 90 %. `test_rows` show a difference, were it as large as
    now. `replicates` are more tunings of every size, so that the luck
    of a tuning is known. `cost_nano` counts tuning, evaluation and labels in
    nano-dollars, None where a price is not known; without a price a label counts as free.
    """

    kind: StepKind
    decides: StepQuestion
    amount: int
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    cost_nano: int | None
    labels_nano: int


def next_steps(
    curve: LearningCurve,
    decision: Decision,
    costs: Mapping[str, VariantCost],
    *,
    label_nano: int = 0,
) -> tuple[NextStep, ...]:
    """Return what may be bought next; `label_nano` is the price of one labelled row."""
    return tuple(
        step
        for step in (
            _labels(curve, costs, label_nano=label_nano),
            _rows_for_worth(decision, costs, label_nano=label_nano),
            _rows_for_size(decision, costs, label_nano=label_nano),
            _replicates(curve, costs),
        )
        if step is not None
    )


def _labels(
    curve: LearningCurve, costs: Mapping[str, VariantCost], *, label_nano: int
) -> NextStep | None:
    """Return the next doubling, unless the curve has flattened; the cost of tuning doubles, too."""
    if curve.fit is None or curve.verdict is Verdict.PLATEAU:
        return None
    largest = max(
        (point for point in curve.points if point.value is not None),
        key=lambda point: point.train_size or 0,
    )
    more, cost = largest.train_size or 0, costs.get(largest.name)
    tuning = None if cost is None or cost.tuning is None else 2 * cost.tuning
    labels = more * label_nano
    return NextStep(
        kind="labels",
        decides="curve",
        amount=more,
        gain=curve.fit.gain,
        gain_low=curve.fit.gain_low,
        gain_high=curve.fit.gain_high,
        cost_nano=_total([tuning, _calls(largest.n, cost), labels]),
        labels_nano=labels,
    )


def _rows_for_worth(
    decision: Decision, costs: Mapping[str, VariantCost], *, label_nano: int
) -> NextStep | None:
    pair = (decision.candidate, decision.best_prompt)
    more = _more(decision.rows_needed, decision.against_prompt)
    return _test_rows("worth", more, pair, costs, label_nano=label_nano)


def _rows_for_size(
    decision: Decision, costs: Mapping[str, VariantCost], *, label_nano: int
) -> NextStep | None:
    pair = (decision.recommended, decision.best)
    found = decision.against_best
    more = _more(decision.size_rows_needed, found)
    if found is None or more > _MOST_TIMES * found.rows:
        return None
    return _test_rows("size", more, pair, costs, label_nano=label_nano)


def _more(needed: int | None, found: Comparison | None) -> int:
    return 0 if needed is None or found is None else max(0, needed - found.rows)


def _test_rows(
    decides: StepQuestion,
    more: int,
    pair: Iterable[Point | None],
    costs: Mapping[str, VariantCost],
    *,
    label_nano: int,
) -> NextStep | None:
    """Return more test rows, which both of a pair are asked; None where none are needed."""
    if not more:
        return None
    labels = more * label_nano
    calls = [_calls(more, costs.get(point.name)) for point in _known(pair)]
    return NextStep(
        kind="test_rows",
        decides=decides,
        amount=more,
        gain=None,
        gain_low=None,
        gain_high=None,
        cost_nano=_total([*calls, labels]),
        labels_nano=labels,
    )


def _replicates(curve: LearningCurve, costs: Mapping[str, VariantCost]) -> NextStep | None:
    """Return more tunings of each size, where an undecided curve rests on one tuning of each."""
    if curve.verdict is not Verdict.UNDECIDED or curve.tuning_error_measured:
        return None
    scored = [each for each in curve.points if each.value is not None]
    parts = [
        part
        for each in scored
        for part in (
            costs[each.name].tuning if each.name in costs else None,
            _calls(each.n, costs.get(each.name)),
        )
    ]
    whole = _total(parts)
    return NextStep(
        kind="replicates",
        decides="curve",
        amount=_TUNINGS_MORE,
        gain=None,
        gain_low=None,
        gain_high=None,
        cost_nano=None if whole is None else _TUNINGS_MORE * whole,
        labels_nano=0,
    )


def _known(points: Iterable[Point | None]) -> list[Point]:
    return [point for point in points if point is not None]


def _calls(rows: int, cost: VariantCost | None) -> int | None:
    if cost is None or cost.per_thousand is None:
        return None
    return -(-rows * cost.per_thousand // CALLS)


def _total(parts: Iterable[int | None]) -> int | None:
    known = list(parts)
    return None if None in known else sum(part or 0 for part in known)
