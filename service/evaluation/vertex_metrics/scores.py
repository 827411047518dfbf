"""Scores of the evaluation service over the rows of an evaluation, with our intervals and bounds.

A row that has no score of the service counts as missing, as one without an answer does.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from service.evaluation.answer_repository import Sample
from service.evaluation.metrics.measures import RowAverage
from service.evaluation.metrics.registry import MetricSpec
from service.evaluation.scoring.scores import CAUTION_LENGTH, Score, Scored, Scorer
from service.evaluation.vertex_metrics.protocol import VertexMetric
from service.inference.ports import Outcome


class GivenScore(RowAverage):
    """The mean of scores that stand in place of the answers, each from 0 to 1."""

    def earned(self, prediction: str, reference: str) -> float:  # noqa: ARG002  it was compared
        return float(prediction)


class VertexRun:
    """One metric of the service over rows that come in pieces."""

    def __init__(self, metric: VertexMetric, *, normal_form: str) -> None:
        self.name = metric.score_name
        self._scorer = Scorer(_spec(metric), references=(), normal_form=normal_form)
        self._failures: Counter[str] = Counter()

    def take(
        self, rows: Sequence[Scored], scored: Mapping[str, Sequence[Sample]]
    ) -> list[float | None]:
        """Add rows, and return the score of each, 0 to 100; `scored` are those stored, by row."""
        return self._scorer.take([self._of(row, scored.get(row.example_id, ())) for row in rows])

    def _of(self, row: Scored, scored: Sequence[Sample]) -> Scored:
        if row.outcome is not Outcome.OK:
            return row
        known = next((each for each in scored if each.outcome == Outcome.OK.value), None)
        if known is None:
            self._failures.update(each.error for each in scored)
            return replace(row, outcome=Outcome.FAILED)
        return replace(row, prediction=known.text, raw=known.text)

    def score(self) -> Score:
        """Return the score; its `error` or `caution` says why rows have none."""
        score = self._scorer.score()
        if not self._failures:
            return score
        [(reason, _)] = self._failures.most_common(1)
        why = f"{self._failures.total()} of {score.rows} rows have no score of the service"
        said = f"{why}: {reason}"[:CAUTION_LENGTH]
        return replace(score, error=said) if score.value is None else replace(score, caution=said)


def _spec(metric: VertexMetric) -> MetricSpec:
    is_match = metric is VertexMetric.EXACT_MATCH
    return MetricSpec(
        metric.score_name,
        f"{metric.value} of Vertex AI",
        "example",
        GivenScore,
        binary=is_match,
        signed=partial(getattr, metric, "signature"),
        reads_raw=is_match,
    )
