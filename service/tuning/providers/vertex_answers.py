"""What a TuningJob of Vertex AI and its evaluations of checkpoints say, in our words. Pure."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.inference.batches.vertex_calls import words_without_quotes
from service.jobs.paid_operations.states import FINAL_STATES, OperationState
from service.text import storable_json
from service.tuning.ports import ProviderTuning, TrainingPhase, TrainingProgress, TuningMethod

RUN_LABEL, PROJECT_LABEL = "tunecurve-run", "tunecurve-project"

# gapic speaks in enum numbers and they are not the sizes: FOUR is 2.
ADAPTERS = {1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO"}

# Each SDK has its own set of final states; this one is ours (facts of the v1 JobState).
_STATES = {
    "JOB_STATE_SUCCEEDED": OperationState.SUCCEEDED,
    "JOB_STATE_PARTIALLY_SUCCEEDED": OperationState.SUCCEEDED,
    "JOB_STATE_FAILED": OperationState.FAILED,
    "JOB_STATE_EXPIRED": OperationState.FAILED,
    "JOB_STATE_CANCELLED": OperationState.CANCELLED,
}
_PHASES = {
    "WAITING_FOR_QUOTA": TrainingPhase.WAITING_FOR_QUOTA,
    "PROCESSING_DATASET": TrainingPhase.PROCESSING_DATASET,
    "WAITING_FOR_CAPACITY": TrainingPhase.WAITING_FOR_CAPACITY,
    "TUNING": TrainingPhase.TRAINING,
    "POST_PROCESSING": TrainingPhase.POST_PROCESSING,
}
# Where the job's state says more than its detailed one, or where there is none.
_OWN_PHASES = {
    "JOB_STATE_CANCELLING": TrainingPhase.CANCELLING,
    "JOB_STATE_PAUSED": TrainingPhase.PAUSED,
}
_WITHOUT_DETAIL = {
    "JOB_STATE_QUEUED": TrainingPhase.QUEUED,
    "JOB_STATE_PENDING": TrainingPhase.QUEUED,
    "JOB_STATE_RUNNING": TrainingPhase.RUNNING,
    "JOB_STATE_UPDATING": TrainingPhase.RUNNING,
}
_CHECKPOINT = {
    "checkpointId": "checkpoint_id",
    "epoch": "epoch",
    "step": "step",
    "endpoint": "endpoint",
}
_COUNTS = {
    "tuningDatasetExampleCount": "tuning_dataset_example_count",
    "totalBillableTokenCount": "total_billable_token_count",
    "tuningStepCount": "tuning_step_count",
    "totalTruncatedExampleCount": "total_truncated_example_count",
}
# Supervised tuning and preference tuning: the fields of both are named alike.
_SPECS = ("supervisedTuningSpec", "preferenceOptimizationSpec")
_DATA_STATS = ("supervisedTuningDataStats", "preferenceOptimizationDataStats")
_REASONS = "droppedExampleReasons"
_NAME_CHARACTERS, _URI_CHARACTERS, _COUNT_DIGITS = 200, 1_000, 16
_SCORE = re.compile(r"(\w+?)(?:MetricValue|MetricResult|ExecutionResult)")
_INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MOST = 100  # evaluations of a tuning, and results of one, that are kept


def read_state(state: str, detail: str) -> tuple[OperationState, TrainingPhase]:
    """Return what a `JobState` and a `TuningJobState`, perhaps empty, mean; total.

    An unknown state is a tuning that still runs: it is asked about until its deadline.
    """
    ours = _STATES.get(state, OperationState.ACCEPTED)
    if ours in FINAL_STATES:
        return ours, TrainingPhase.ENDED
    detailed = _PHASES.get(detail.removeprefix("TUNING_JOB_STATE_"))
    phase = _OWN_PHASES.get(state) or detailed or _WITHOUT_DETAIL.get(state, TrainingPhase.UNKNOWN)
    return ours, phase


def read_tuning(job: Mapping[str, Any]) -> ProviderTuning:
    """Return what a TuningJob says, given as the JSON of the REST surface; total.

    What is not of its type is as absent. The statistics keep counts only: the provider echoes
    training examples there, which are the user's data and have no place in our tables.
    """
    job = storable_json(job)
    stated = str(job.get("state", ""))
    state, phase = read_state(stated, str(job.get("tuningJobState") or ""))
    tuned, labels = _mapping(job, "tunedModel"), _mapping(job, "labels")
    stats = _mapping(job, "tuningDataStats")
    counts = next(filter(None, (_mapping(stats, name) for name in _DATA_STATS)), {})
    spec = _mapping(_spec(job), "hyperParameters")
    checkpoints = tuple(_checkpoints(tuned))
    return ProviderTuning(
        resource_name=str(job.get("name", "")),
        state=state,
        provider_state=stated[:50],
        phase=phase,
        progress=_progress(job, spec, counts, checkpoints),
        run_id=str(labels.get(RUN_LABEL, "")),
        project_id=str(labels.get(PROJECT_LABEL, "")),
        base_model=_name(job, "baseModel") or _name(_mapping(job, "preTunedModel"), "baseModel"),
        method=TuningMethod.PREFERENCE if job.get(_SPECS[1]) else TuningMethod.SUPERVISED,
        model=_name(tuned, "model") or None,
        endpoint=_name(tuned, "endpoint") or None,
        checkpoints=checkpoints,
        statistics=_statistics(counts),
        evaluations=tuple(read_evaluations(job.get("evaluateDatasetRuns"))),
        hyperparameters=_chosen(spec),
        training_tokens=_count(counts.get("totalBillableTokenCount")) or 0,
        error=_error(_mapping(job, "error")),
    )


def unread_input(job: Mapping[str, Any]) -> str:
    """Return the address of the rows of a tuning that has counted none and left nothing."""
    has_read = job.get("tuningDataStats") or _mapping(job, "tunedModel").get("model")
    return "" if has_read else str(_spec(job).get("trainingDatasetUri") or "")


def read_evaluations(runs: Any) -> Iterator[dict[str, Any]]:
    """Yield what each of the provider's own evaluations of checkpoints found; accepts any JSON.

    Source: `EvaluateDatasetRun` and `AggregationResult` of the published v1 types; never observed.
    Scores are as the provider reports them. Explanations are left out: they may quote answers.
    """
    for run in _mappings(runs):
        response = _mapping(run, "evaluateDatasetResponse")
        results = _mapping(response, "aggregationOutput").get("aggregationResults")
        files, error = _mapping(response, "outputInfo"), _mapping(run, "error")
        yield {
            "checkpoint": _name(run, "checkpointId") or None,
            "scores": [score for result in _mappings(results) for score in _scores(result)],
            "output_uri": _name(files, "gcsOutputDirectory", longest=_URI_CHARACTERS) or None,
            "error": words_without_quotes(str(error.get("message") or "")) or None,
        }


def _scores(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key in result:
        found, value = _SCORE.fullmatch(key), _mapping(result, key).get("score")
        if found and isinstance(value, int | float) and math.isfinite(value):
            yield {
                "metric": _INNER_CAPITAL.sub("_", found[1]).lower(),
                "aggregation": _name(result, "aggregationMetric").lower(),
                "value": float(value),
            }


def _mappings(listed: Any) -> Sequence[Mapping[str, Any]]:
    given = listed[:_MOST] if isinstance(listed, list) else ()
    return [each for each in given if isinstance(each, dict)]


def _spec(job: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(filter(None, (_mapping(job, name) for name in _SPECS)), {})


def _mapping(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _name(holder: Mapping[str, Any], key: str, *, longest: int = _NAME_CHARACTERS) -> str:
    """Return a name of a resource or a model; one that is longer than any is none."""
    value = holder.get(key)
    return value if isinstance(value, str) and len(value) <= longest else ""


def _statistics(counts: Mapping[str, Any]) -> dict[str, int]:
    """Return counts only; of the reasons why examples were left out, only how many there are."""
    found = {ours: _count(counts.get(name)) for name, ours in _COUNTS.items()}
    reasons = counts.get(_REASONS)
    found["dropped_example_count"] = len(reasons) if isinstance(reasons, list) else 0
    return {name: count for name, count in found.items() if count}


def _checkpoints(tuned: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    listed = tuned.get("checkpoints")
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict):
            yield {ours: each[name] for name, ours in _CHECKPOINT.items() if name in each}


def _progress(
    job: Mapping[str, Any],
    spec: Mapping[str, Any],
    counts: Mapping[str, Any],
    checkpoints: tuple[Mapping[str, Any], ...],
) -> TrainingProgress:
    """Return the completed epochs and steps: as reported, else those of the latest checkpoint."""
    metadata = _mapping(job, "tuningJobMetadata")
    latest = checkpoints[-1] if checkpoints else {}
    return TrainingProgress(
        epochs_done=_count(metadata.get("completedEpochCount") or latest.get("epoch")),
        epochs_total=_count(spec.get("epochCount")),
        steps_done=_count(metadata.get("completedStepCount") or latest.get("step")),
        steps_total=_count(counts.get("tuningStepCount")),
    )


def _count(reported: Any) -> int | None:
    """Return a count above 0, of which protocol buffers write long ones as text."""
    if isinstance(reported, str) and reported.isdecimal() and len(reported) < _COUNT_DIGITS:
        reported = int(reported)
    is_count = isinstance(reported, int) and not isinstance(reported, bool)
    return reported if is_count and 0 < reported < 10**_COUNT_DIGITS else None


def _error(error: Mapping[str, Any]) -> dict[str, Any] | None:
    if not (error.get("code") or error.get("message")):
        return None
    message = words_without_quotes(str(error.get("message", "")))
    return {"code": error.get("code"), "message": message}


def _chosen(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters that the provider has settled, in our names."""
    sizes = {f"ADAPTER_SIZE_{name}": size for size, name in ADAPTERS.items()}
    chosen = {
        "epochs": _count(spec.get("epochCount")),
        "learning_rate_multiplier": _number(spec.get("learningRateMultiplier")),
        "adapter_size": sizes.get(str(spec.get("adapterSize"))),
        "beta": _number(spec.get("beta")),
    }
    return {key: value for key, value in chosen.items() if value}


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
