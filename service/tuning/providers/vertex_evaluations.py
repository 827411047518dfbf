"""What Vertex AI's own evaluations of a tuning's checkpoints found, in our words. Pure.

Source: `EvaluateDatasetRun` and `AggregationResult` of the published v1 types; never observed.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.inference.batches.vertex_calls import words_without_quotes

_RESULT = re.compile(r"(\w+?)(?:MetricValue|MetricResult|ExecutionResult)")
_INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MOST = 100  # runs of a tuning, and results of a run, that are kept
_LONGEST_NAME = 1_000


def read_evaluations(runs: Any) -> Iterator[dict[str, Any]]:
    """Yield what each of the runs found, given as the JSON of the REST surface.

    Accepts any JSON: what has another form is left out.

    Scores are as the provider reports them. Explanations are left out: they may quote answers.
    """
    for run in _mappings(runs):
        response = _mapping(run, "evaluateDatasetResponse")
        results = _mapping(response, "aggregationOutput").get("aggregationResults")
        error = _mapping(run, "error")
        yield {
            "checkpoint": _name(run, "checkpointId"),
            "scores": [score for result in _mappings(results) for score in _scores(result)],
            "output_uri": _name(_mapping(response, "outputInfo"), "gcsOutputDirectory"),
            "error": words_without_quotes(str(error.get("message") or "")) or None,
        }


def _scores(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key in result:
        found, value = _RESULT.fullmatch(key), _mapping(result, key).get("score")
        if found and isinstance(value, int | float) and math.isfinite(value):
            yield {
                "metric": _INNER_CAPITAL.sub("_", found[1]).lower(),
                "aggregation": (_name(result, "aggregationMetric") or "").lower(),
                "value": float(value),
            }


def _mappings(listed: Any) -> Sequence[Mapping[str, Any]]:
    given = listed[:_MOST] if isinstance(listed, list) else ()
    return [each for each in given if isinstance(each, dict)]


def _mapping(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _name(holder: Mapping[str, Any], key: str) -> str | None:
    value = holder.get(key)
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME else None
