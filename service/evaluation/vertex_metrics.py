"""Metrics without a model that Vertex AI's evaluation service computes, beside our own: what
`evaluateInstances` is sent and answers, and the scores over the rows of an evaluation. Pure.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/evaluation and the
published v1 types.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from service.evaluation.answer_repository import Sample
from service.evaluation.metrics.measures import GivenScore
from service.evaluation.metrics.registry import MetricSpec
from service.evaluation.scoring.metric_runs import Given, GivenRun
from service.inference.ports import Outcome

# Google states no limit of a request; these are far below those of other calls.
INSTANCES, CHARACTERS = 100, 500_000
VERTEX = "vertex_"  # what the names of its scores begin with
_ROUNDING = 1e-6  # a perfect BLEU comes as 1.0000000000000004


class VertexMetric(StrEnum):
    """A metric of the evaluation service that needs no model."""

    EXACT_MATCH = "exact_match"
    BLEU = "bleu"
    ROUGE_1 = "rouge1"
    ROUGE_2 = "rouge2"
    ROUGE_L = "rougeL"
    ROUGE_LSUM = "rougeLsum"

    @property
    def score_name(self) -> str:
        """The name of its scores, which stand beside ours."""
        return f"{VERTEX}{self.value}"

    @property
    def family(self) -> str:
        """What the members of requests and answers begin with."""
        if self is VertexMetric.EXACT_MATCH:
            return "exactMatch"
        return "bleu" if self is VertexMetric.BLEU else "rouge"

    @property
    def options(self) -> dict[str, Any]:
        """The options, all of them said, so that a changed default changes no score."""
        match self.family:
            case "exactMatch":
                return {}
            case "bleu":
                return {"useEffectiveOrder": False}
            case _:
                return {"rougeType": self.value, "useStemmer": False, "splitSummaries": False}

    @property
    def signature(self) -> str:
        """All that a value depends on but the texts, as far as Google says."""
        said = (f"{name}:{value}" for name, value in self.options.items() if name != "rougeType")
        return "|".join(["vertex", self.value, *said, "references:best"])


@dataclass(frozen=True, slots=True)
class ScoredText:
    """The answer to an example, and the references that it is held against, one by one."""

    example_id: str
    prediction: str
    references: tuple[str, ...]

    @property
    def characters(self) -> int:
        return len(self.references) * len(self.prediction) + sum(map(len, self.references))


def batches(texts: Iterable[ScoredText]) -> Iterator[list[ScoredText]]:
    """Yield the texts of one request after the other: an instance is one text and one reference.

    At most INSTANCES and CHARACTERS each, but for a text that alone has more.
    """
    batch: list[ScoredText] = []
    instances = characters = 0
    for text in texts:
        instances += len(text.references)
        characters += text.characters
        if batch and (instances > INSTANCES or characters > CHARACTERS):
            yield batch
            batch, instances, characters = [], len(text.references), text.characters
        batch.append(text)
    if batch:
        yield batch


def request_body(metric: VertexMetric, texts: Sequence[ScoredText]) -> str:
    """Return the body of a request as JSON."""
    instances = [
        {"prediction": text.prediction, "reference": reference}
        for text in texts
        for reference in text.references
    ]
    given = {"metricSpec": metric.options, "instances": instances}
    return json.dumps({f"{metric.family}Input": given}, ensure_ascii=False)


def read_scores(
    metric: VertexMetric, texts: Sequence[ScoredText], answer: str
) -> list[float | None]:
    """Return the score of each text, 0 to 1, by the kindest of its references; None for one that
    has no score. All are None where the answer has not one entry for each instance.
    """
    values = [_number(each) for each in _entries(metric, answer)]
    if len(values) != sum(len(text.references) for text in texts):
        return [None] * len(texts)
    rest = iter(values)
    return [_best([next(rest) for _ in text.references]) for text in texts]


def _best(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None


def _entries(metric: VertexMetric, answer: str) -> list[Any]:
    try:
        entries = json.loads(answer)[f"{metric.family}Results"][f"{metric.family}MetricValues"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return []
    return entries if isinstance(entries, list) else []


def _number(entry: Any) -> float | None:
    value = entry.get("score") if isinstance(entry, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(1.0, float(value)) if 0 <= value <= 1 + _ROUNDING else None


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
