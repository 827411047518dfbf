"""evaluateInstances: the metrics that need no model."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.errors import GoogleError, Violation
from emulator.evaluation.metrics import ROUGE_TYPES, score_bleu, score_exact_match, score_rouge
from emulator.messages import parse_json, parse_message


class EvaluationRoutes:
    """The handler of `:evaluateInstances`; `types` is the message class of its request."""

    def __init__(self, types: Any) -> None:
        self._types = types

    def routes(self, version: str) -> list[Route]:
        """Return the route; one SDK writes it with a slash before the colon."""
        home = f"/{version}/projects/{{project}}/locations/{{location}}"
        return [
            Route(f"{home}{slash}:evaluateInstances", self.evaluate_instances, methods=["POST"])
            for slash in ("", "/")
        ]

    async def evaluate_instances(self, request: Request) -> Response:
        message = parse_message(parse_json(await request.body()), self._types)
        metric = message.WhichOneof("metric_inputs")
        match metric:
            case "exact_match_input":
                scores = _score_exact_match(message.exact_match_input)
            case "bleu_input":
                scores = _score_bleu(message.bleu_input)
            case "rouge_input":
                scores = _score_rouge(message.rouge_input)
            case None:
                raise GoogleError(400, "One metric input is required.")
            case _:
                raise GoogleError(
                    501, f"The emulator has no {metric}; it has no model to judge by."
                )
        return JSONResponse(_describe(metric.removesuffix("_input"), scores))


def _describe(metric: str, scores: list[float]) -> dict[str, Any]:
    first, *rest = metric.split("_")
    name = first + "".join(word.title() for word in rest)
    return {f"{name}Results": {f"{name}MetricValues": [{"score": score} for score in scores]}}


def _score_exact_match(given: Any) -> list[float]:
    return [score_exact_match(each.prediction, each.reference) for each in _instances(given)]


def _score_bleu(given: Any) -> list[float]:
    effective = given.metric_spec.use_effective_order
    return [
        score_bleu(each.prediction, each.reference, use_effective_order=effective)
        for each in _instances(given)
    ]


def _score_rouge(given: Any) -> list[float]:
    spec = given.metric_spec
    if spec.rouge_type not in ROUGE_TYPES:
        text = f"rouge_type must be one of {', '.join(ROUGE_TYPES)}."
        violation = Violation("rouge_input.metric_spec.rouge_type", text)
        raise GoogleError(400, text, violations=[violation])
    return [
        score_rouge(
            each.prediction,
            each.reference,
            rouge_type=spec.rouge_type,
            use_stemmer=spec.use_stemmer,
            split_summaries=spec.split_summaries,
        )
        for each in _instances(given)
    ]


def _instances(given: Any) -> Any:
    if not given.instances:
        raise GoogleError(400, "At least one instance is required.")
    return given.instances
