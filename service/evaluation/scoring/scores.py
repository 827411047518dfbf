"""Scores of predictions: only answers count, failures lower the coverage, groups are resampled."""

import hashlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import Conflict, Fault, Invalid
from service.evaluation.metrics.measures import Missing, bounds_of
from service.evaluation.metrics.registry import MetricSpec, find_score
from service.evaluation.statistics.intervals import (
    Array,
    GroupSums,
    Interval,
    grouped_interval,
    sum_by_group,
    wilson_interval,
)
from service.inference.ports import Outcome
from service.text import counted

CAUTION_LENGTH = ERROR_LENGTH = 500  # characters that are stored


@dataclass(frozen=True, slots=True)
class Scored:
    """One row of the test split with what became of it; `group` is what was split together.

    `prediction` is the answer in its normal form, `raw` as the model gave it (None: the same),
    `text` the input, `rejected` the answer that the reference was preferred to.
    """

    example_id: str
    outcome: Outcome
    prediction: str
    references: tuple[str, ...]
    group: str
    raw: str | None = None
    text: str = ""
    rejected: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """One metric over one evaluation; all scores are on the metric's scale.

    `n` of `rows` rows, of `groups` groups, were scored and `coverage` is their share. `value` is
    None when none was; `low` and `high` are None when fewer than two groups were. `worst` and
    `best` are what the value would be had every missing row earned the least or the most; None
    where none is missing. `signature` names all that the value depends on but the texts,
    `caution` says of which rows the metric is unfit, `error` why there is no value.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    rows: int
    coverage: float
    worst: float | None
    best: float | None
    method: str
    groups: int = 0
    signature: str = ""
    caution: str = ""
    error: str = ""


def score(
    rows: Sequence[Scored],
    metric: str,
    *,
    confidence: float = 0.95,
) -> Score:
    """Score the rows whose outcome is `ok`; the same rows give the same score, in any order.

    Raises Invalid for an unknown metric, a row without references, or a confidence that is not
    within 0 and 1.
    """
    scorer = Scorer(metric, references=(row.references for row in rows))
    scorer.take(rows)
    return scorer.score(confidence=confidence)


def signature_of(spec: MetricSpec, *, normal_form: str) -> str:
    """Return all that a score depends on but the texts: scores of two signatures do not compare.

    `normal_form` is the name of what is done to answers before they are scored.
    """
    return f"{spec.signature}|answers:{'raw' if spec.reads_raw else normal_form}"


def check_signatures(signatures: Mapping[str, str | None]) -> None:
    """Raise Conflict `signatures_differ` where scores were not computed in one way.

    `signatures` are those of one metric by variant; None for scores of versions that had none.
    """
    known = {name: each for name, each in signatures.items() if each}
    if len(set(known.values())) > 1:
        ways = "; ".join(f"{name}: {each}" for name, each in sorted(known.items()))
        message = f"scores of other signatures do not compare; evaluate again ({ways})"
        raise Conflict(message, code="signatures_differ")


class Scorer:
    """One metric over rows that come in pieces: of a row it keeps numbers, never its texts.

    A hundred thousand rows are a few megabytes, whatever was answered. `references` are those of
    all rows that will come; metrics of labels read them, to know the labels before the first row.
    """

    def __init__(
        self,
        metric: str | MetricSpec,
        *,
        references: Iterable[Sequence[str]],
        normal_form: str = "verbatim",
    ) -> None:
        self._spec = find_score(metric) if isinstance(metric, str) else metric
        self._signature = signature_of(self._spec, normal_form=normal_form)
        self._unfit = 0
        self._measure = self._spec.measure(references)
        self._rows = self._answered = 0
        self._earned = self._worst = self._best = _Sum()
        self._most: Array | None = None
        self._groups, self._statistics = array("Q"), array("f")

    def take(self, rows: Sequence[Scored]) -> list[float | None]:
        """Add rows, and return what each of them earned on the metric's scale.

        None for a row without an answer, and where a score is of labels, not of rows. Raises
        Invalid when a row has no reference to score against.
        """
        _check_references(rows, before=self._rows)
        self._rows += len(rows)
        self._unfit += sum(self._spec.is_unfit(row.references) for row in rows)
        missing = [self._golds(row) for row in rows if row.outcome is not Outcome.OK]
        if missing:
            self._worst = self._worst.plus(self._measure.worst(missing))
            self._best = self._best.plus(self._measure.best(missing))
        answered = [row for row in rows if row.outcome is Outcome.OK]
        earned = iter(self._take_answered(answered) if answered else ())
        return [next(earned) if row.outcome is Outcome.OK else None for row in rows]

    def _golds(self, row: Scored) -> Sequence[str]:
        return self._spec.golds(row.references, text=row.text, rejected=row.rejected)

    def _take_answered(self, rows: Sequence[Scored]) -> list[float | None]:
        given = [row.raw if self._spec.reads_raw else row.prediction for row in rows]
        predictions = [
            row.prediction if each is None else each for row, each in zip(rows, given, strict=True)
        ]
        statistics = self._measure.statistics(predictions, [self._golds(row) for row in rows])
        self._answered += len(rows)
        self._earned = self._earned.plus(statistics)
        most = statistics.max(axis=0)
        self._most = most if self._most is None else np.maximum(self._most, most)
        self._groups.extend(group_number(row.group) for row in rows)
        self._statistics.frombytes(statistics.astype(np.float32).tobytes())
        if self._spec.by_label:
            return [None] * len(rows)
        return [float(value) for value in self._measure.totals(statistics)]

    def score(self, *, confidence: float = 0.95) -> Score:
        """Return the score of all rows so far, with its interval.

        Groups are the unit, not rows: rows of one article or template succeed or fail together
        (on SQuAD, intervals over rows are 2.8 times too narrow).
        """
        if not 0 < confidence < 1:
            raise Invalid("an interval needs a confidence within 0 and 1")
        coverage = self._answered / self._rows if self._rows else 0.0
        sums = self._group_sums()
        interval = self._interval(sums, confidence)
        worst, best = self._bounds() if self._answered < self._rows else (None, None)
        return Score(
            metric=self._spec.name,
            value=self._total(self._earned),
            low=interval.low if interval else None,
            high=interval.high if interval else None,
            n=self._answered,
            rows=self._rows,
            coverage=coverage,
            worst=worst,
            best=best,
            method=interval.method if interval else "no interval: fewer than two groups",
            groups=len(sums) if self._answered else 0,
            signature=self._signature,
            caution=self._spec.said_of(self._unfit, self._rows)[:CAUTION_LENGTH],
        )

    def _interval(self, sums: GroupSums, confidence: float) -> Interval | None:
        """Return the interval; None for fewer than two groups, as one says nothing of another."""
        spec = self._spec
        if spec.binary and len(sums) == self._answered > 1:
            right = float(sums.sums[:, 0].sum(dtype=np.float64))
            return wilson_interval(right, len(sums), scale=spec.scale, confidence=confidence)
        return grouped_interval(sums, self._measure.totals, scale=spec.scale, confidence=confidence)

    def _group_sums(self) -> GroupSums:
        if not self._groups:
            return GroupSums(np.zeros((0, 1)), np.zeros(0, dtype=np.int64))
        groups = np.frombuffer(self._groups, dtype=np.uint64)
        statistics = np.frombuffer(self._statistics, dtype=np.float32)
        return sum_by_group(statistics.reshape(len(groups), -1), groups=groups)

    def _bounds(self) -> tuple[float | None, float | None]:
        """Return between which scores any answers to the missing rows would leave this one."""
        worst, best = self._worst.values, self._best.values
        if worst is None or best is None:
            return None, None
        none = np.zeros_like(worst)
        earned = none if self._earned.values is None else self._earned.values
        most = none if self._most is None else self._most
        missing = Missing(self._rows - self._answered, worst, best, most)
        return bounds_of(self._measure, earned, missing)

    def _total(self, summed: "_Sum") -> float | None:
        return None if summed.values is None else float(self._measure.totals(summed.values))


@dataclass(frozen=True, slots=True)
class _Sum:
    """Summed statistics; None as long as there are none."""

    values: NDArray[np.float64] | None = None

    def plus(self, statistics: Array) -> "_Sum":
        return self.plus_sum(_Sum(statistics.sum(axis=0, dtype=np.float64)))

    def plus_sum(self, other: "_Sum") -> "_Sum":
        if self.values is None or other.values is None:
            return other if self.values is None else self
        return _Sum(self.values + other.values)


def group_number(group: str) -> int:
    """Return a number for a group: 64 bits of a hash, so that no two of a million are alike."""
    return int.from_bytes(hashlib.blake2b(group.encode(), digest_size=8).digest())


def _check_references(rows: Sequence[Scored], *, before: int) -> None:
    bare = [place for place, row in enumerate(rows, start=before + 1) if not row.references]
    if bare:
        message = f"{counted(len(bare), 'row has', 'rows have')} no reference to score against"
        faults = [Fault(f"row {place}", "references_missing", message) for place in bare[:20]]
        raise Invalid(message, code="references_missing", faults=faults)
