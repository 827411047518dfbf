"""The evaluations of a tuning's checkpoints that its `evaluationConfig` asks for."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any

from emulator.errors import StorageError
from emulator.evaluation.metrics import ROUGE_TYPES, score_bleu, score_exact_match, score_rouge
from emulator.storage.store import ObjectStore
from emulator.tuning.examples import read_examples
from emulator.tuning.records import SUPERVISED, Tuning

Answer = Callable[[Tuning, str, Sequence[str]], Awaitable[list[str]]]
_UNIMPLEMENTED_CODE = 12


class CheckpointRuns:
    """Scores every checkpoint on the validation rows; `answer` is asked with its endpoint."""

    def __init__(self, objects: ObjectStore, *, answer: Answer) -> None:
        self._objects, self._answer = objects, answer

    async def evaluate(self, tuning: Tuning) -> list[dict[str, Any]]:
        """Return the runs as a TuningJob shows them; none where nothing is asked for.

        A metric that a model would judge is an error of its run. No file is written.
        """
        config = tuning.requested.get(SUPERVISED, {}).get("evaluationConfig")
        if not config or not tuning.validation_uri:
            return []
        metrics, rows = config.get("metrics", []), self._rows(tuning.validation_uri)
        runs = []
        for number, endpoint in enumerate(tuning.checkpoints.values(), start=1):
            answers = await self._answer(tuning, endpoint, [prompt for prompt, _ in rows])
            pairs = [(answer, row[1]) for answer, row in zip(answers, rows, strict=True)]
            runs.append({"checkpointId": str(number)} | _response(metrics, pairs))
        return runs

    def _rows(self, uri: str) -> list[tuple[str, str]]:
        try:
            with self._objects.path_of(uri).open("rb") as lines:
                return [(each.prompt, each.target) for each in read_examples(lines).examples]
        except StorageError:
            return []


def _response(
    metrics: Sequence[Mapping[str, Any]], pairs: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    results = [_result(metric, pairs) for metric in metrics]
    found = [each for each in results if each] if pairs else []
    run: dict[str, Any] = {
        "evaluateDatasetResponse": {"aggregationOutput": {"aggregationResults": found}}
    }
    if len(found) < len(metrics):
        message = "The emulator has no model to judge by."
        run["error"] = {"code": _UNIMPLEMENTED_CODE, "message": message}
    return run


def _result(metric: Mapping[str, Any], pairs: Sequence[tuple[str, str]]) -> dict[str, Any] | None:
    for name, scored in (
        ("exactMatch", score_exact_match),
        ("bleu", score_bleu),
        ("rouge", partial(score_rouge, rouge_type=_rouge_type(metric))),
    ):
        if f"{name}Spec" in metric and pairs:
            value = {"score": fmean(scored(said, wanted) for said, wanted in pairs)}
            return {"aggregationMetric": "AVERAGE", f"{name}MetricValue": value}
    return None


def _rouge_type(metric: Mapping[str, Any]) -> str:
    named = str(metric.get("rougeSpec", {}).get("rougeType"))
    return named if named in ROUGE_TYPES else ROUGE_TYPES[0]
