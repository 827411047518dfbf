"""Rows on which two variants differ: the worst, those that tuning broke, fields of JSON. Pure."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.evaluation.metrics.json_values import Fields, fields_of
from service.evaluation.metrics.registry import find_score

Row = Mapping[str, Any]
SHOWN = 10  # rows of a list


@dataclass(frozen=True, slots=True)
class RowExample:
    """A test row with the answers of a variant and, where there is one, of the best prompt.

    `earned` is what the answer earned on the metric's scale: None where there is no answer.
    """

    position: int
    input: str
    expected: str
    answer: str
    outcome: str
    earned: float | None
    prompt_answer: str | None = None
    prompt_earned: float | None = None


@dataclass(frozen=True, slots=True)
class FieldScore:
    """Rows that have a field of JSON, in reference or answer, and how many have it right."""

    field: str
    rows: int
    right: int
    prompt_right: int | None


@dataclass(frozen=True, slots=True)
class RowFindings:
    """What the rows of `variant` show, beside those of `prompt`.

    `broken` counts rows that are right with the prompt and wrong with the variant, `mended` those
    the other way round; `regressions` are the broken ones, the largest loss first.
    """

    variant: str
    prompt: str | None = None
    worst: list[RowExample] = field(default_factory=list)
    regressions: list[RowExample] = field(default_factory=list)
    broken: int = 0
    mended: int = 0
    fields: list[FieldScore] = field(default_factory=list)


def compare_rows(
    pairs: Iterable[tuple[Row, Row | None]],
    *,
    variant: str,
    prompt: str | None,
    metric: str,
    is_json: bool,
) -> RowFindings:
    """Read the rows of a variant, each with the prompt's answer to it, and keep the clearest."""
    worst, regressions = _Lowest(), _Lowest()
    broken = mended = 0
    fields = _FieldCounts()
    for row, other in pairs:
        loss = _loss(row, metric)
        if loss > 0:
            worst.add(-loss, row, other, metric)
        if other is not None and row.get("correct") is not None is not other.get("correct"):
            broken += other["correct"] and not row["correct"]
            mended += row["correct"] and not other["correct"]
            if other["correct"] and not row["correct"]:
                regressions.add(_loss(other, metric) - loss, row, other, metric)
        if is_json:
            fields.add(row, other)
    return RowFindings(
        variant, prompt, worst.found(), regressions.found(), broken, mended, fields.scores()
    )


def _earned(row: Row, metric: str) -> float | None:
    """Return what a row earned by the metric; where that scores no single rows, all or nothing."""
    if row.get("correct") is None:
        return None
    earned = (row.get("scores") or {}).get(metric)
    return find_score(metric).scale * bool(row["correct"]) if earned is None else float(earned)


def _loss(row: Row, metric: str) -> float:
    """Return how far a row is from the best; one without an answer is no wrong answer."""
    earned, spec = _earned(row, metric), find_score(metric)
    if earned is None:
        return 0.0
    return spec.scale - earned if spec.higher_is_better else earned


def _example(row: Row, other: Row | None, metric: str) -> RowExample:
    return RowExample(
        position=row["position"],
        input=row["input"],
        expected=row["references"][0],
        answer=row["answer"],
        outcome=row["outcome"],
        earned=_earned(row, metric),
        prompt_answer=other["answer"] if other else None,
        prompt_earned=_earned(other, metric) if other else None,
    )


class _Lowest:
    """Keeps the few rows with the lowest keys, the first of equals."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, RowExample]] = []

    def add(self, key: float, row: Row, other: Row | None, metric: str) -> None:
        entry = (-key, -int(row["position"]))
        if len(self._heap) < SHOWN:
            heapq.heappush(self._heap, (*entry, _example(row, other, metric)))
        elif entry > self._heap[0][:2]:
            heapq.heapreplace(self._heap, (*entry, _example(row, other, metric)))

    def found(self) -> list[RowExample]:
        return [example for *_, example in sorted(self._heap, key=lambda each: each[:2])][::-1]


class _FieldCounts:
    def __init__(self) -> None:
        self._rows, self._right, self._prompt = Counter[str](), Counter[str](), Counter[str]()
        self._is_compared = False

    def add(self, row: Row, other: Row | None) -> None:
        wanted = by_field(fields_of(row["references"][0]))
        given = by_field(fields_of(row["answer"]))
        prompted = by_field(fields_of(other["answer"])) if other else {}
        self._is_compared |= other is not None
        for name in {*wanted, *given, *prompted}:
            self._rows[name] += 1
            self._right[name] += wanted.get(name) == given.get(name)
            self._prompt[name] += wanted.get(name) == prompted.get(name)

    def scores(self) -> list[FieldScore]:
        return [
            FieldScore(
                name, rows, self._right[name], self._prompt[name] if self._is_compared else None
            )
            for name, rows in self._rows.most_common()
        ]


def by_field(fields: Fields) -> dict[str, Fields]:
    """Return the values of JSON fields by their names, such as `guest.name`."""
    found: dict[str, Fields] = {}
    for path, count in fields.items():
        name = ".".join(each for each in path[:-1] if isinstance(each, str))
        found.setdefault(name, Counter())[path] += count
    return found
