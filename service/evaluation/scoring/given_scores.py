"""Scores that somebody else gave to the rows of an evaluation, with our intervals and bounds.

A row that was given none counts as missing, as one without an answer does.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from service.evaluation.metrics.registry import MetricSpec
from service.evaluation.scoring.scores import CAUTION_LENGTH, Score, Scored, Scorer
from service.inference.ports import Outcome


@dataclass(frozen=True, slots=True)
class Given:
    """What a row was given, 0 to 1; None with the `errors` of those who gave nothing."""

    value: float | None
    errors: tuple[str, ...] = ()


NOTHING = Given(None)


class GivenRun:
    """One given score over rows that come in pieces; `giver` is called so in cautions."""

    def __init__(self, spec: MetricSpec, *, normal_form: str, giver: str) -> None:
        self.name, self._giver = spec.name, giver
        self._scorer = Scorer(spec, references=(), normal_form=normal_form)
        self._failures: Counter[str] = Counter()

    def take(self, rows: Sequence[Scored], given: Mapping[str, Given]) -> list[float | None]:
        """Add rows, and return the score of each, 0 to 100; `given` is by example."""
        return self._scorer.take(
            [self._of(row, given.get(row.example_id, NOTHING)) for row in rows]
        )

    def _of(self, row: Scored, given: Given) -> Scored:
        if row.outcome is not Outcome.OK:
            return row
        if given.value is None:
            self._failures.update(given.errors)
            return replace(row, outcome=Outcome.FAILED)
        return replace(row, prediction=repr(given.value), raw=repr(given.value))

    def score(self) -> Score:
        """Return the score; its `error` or `caution` says why rows have none."""
        score = self._scorer.score()
        if not self._failures:
            return score
        [(reason, _)] = self._failures.most_common(1)
        why = f"{self._failures.total()} of {score.rows} rows have no score of {self._giver}"
        said = f"{why}: {reason}"[:CAUTION_LENGTH]
        return replace(score, error=said) if score.value is None else replace(score, caution=said)
