"""Scores of the evaluation service over the rows of an evaluation."""

from collections.abc import Mapping, Sequence
from functools import partial

from service.evaluation.answer_repository import Sample
from service.evaluation.metrics.measures import GivenScore
from service.evaluation.metrics.registry import MetricSpec
from service.evaluation.scoring.given_scores import Given, GivenRun
from service.evaluation.vertex_metrics.protocol import VertexMetric
from service.inference.ports import Outcome


def vertex_run(metric: VertexMetric, *, normal_form: str) -> GivenRun:
    """Return what scores rows by one metric of the service."""
    return GivenRun(_spec(metric), normal_form=normal_form, giver="the service")


def given_by_vertex(scored: Mapping[str, Sequence[Sample]]) -> dict[str, Given]:
    """Return what the service gave each row; `scored` are the stored scores, by example."""
    return {example_id: _given(each) for example_id, each in scored.items()}


def _given(scored: Sequence[Sample]) -> Given:
    known = next((each for each in scored if each.outcome == Outcome.OK.value), None)
    if known is None:
        return Given(None, tuple(each.error for each in scored))
    return Given(float(known.text))


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
        is_given=True,
    )
