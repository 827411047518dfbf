"""Evaluations with their scores, and where their tables lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.database import Session, Sessions
from service.errors import Conflict
from service.evaluation import repository
from service.evaluation.models import Evaluation, ScoreRow
from service.evaluation.scoring.confusion import ConfusionMatrix
from service.evaluation.scoring.row_table import json_schema


def get_evaluation(
    evaluation_id: str, *, project_id: str, sessions: Sessions
) -> tuple[Evaluation, list[ScoreRow]]:
    """Return an evaluation with its scores, the primary metric first; raises NotFound."""
    with sessions.reading() as session:
        row = repository.get(session, evaluation_id, project_id=project_id)
        return row, list(repository.scores(session, [row.id]))


def list_evaluations(
    project_id: str, *, after: str | None, limit: int, sessions: Sessions
) -> list[tuple[Evaluation, list[ScoreRow]]]:
    """Return a page of evaluations with their scores, newest first."""
    with sessions.reading() as session:
        rows = repository.page(session, project_id, after=after, limit=limit)
        scores = list(repository.scores(session, [row.id for row in rows]))
    return [(row, [each for each in scores if each.evaluation_id == row.id]) for row in rows]


@dataclass(frozen=True, slots=True)
class ScoredEvaluation:
    """A finished evaluation of a tuned model on test rows, and the signatures of its scores.

    Evaluations of the same `way` compare: of the same dataset, variant, shots, samples and source.
    """

    id: str
    model: str
    dataset: str
    way: tuple[str, str, int, int, bool]
    signatures: Mapping[str, str | None]


def evaluations_on_test(
    session: Session, model_id: str, *, project_id: str
) -> list[ScoredEvaluation]:
    """Return the finished evaluations of a model on test rows, newest first."""
    rows = repository.of_model(session, model_id, project_id=project_id)
    scores = repository.scores(session, [row.id for row in rows])
    signatures: dict[str, dict[str, str | None]] = {row.id: {} for row in rows}
    for score in scores:
        if score.value is not None:
            signatures[score.evaluation_id][score.metric] = score.signature
    return [
        ScoredEvaluation(
            id=row.id,
            model=model_id,
            dataset=row.dataset_id,
            way=(row.dataset_id, row.kind, row.shots, row.samples, row.synthetic),
            signatures=signatures[row.id],
        )
        for row in rows
    ]


def mean_tokens(session: Session, evaluation_id: str) -> tuple[float, float]:
    """Return the mean tokens of a prompt and of an answer, over the answers that came."""
    return repository.mean_tokens(session, evaluation_id)


def median_latency(session: Session, evaluation_id: str) -> int | None:
    """Return the median milliseconds of the calls that answered; None where none was timed."""
    return repository.median_latency(session, evaluation_id)


def confusion_of(evaluation_id: str, *, project_id: str, sessions: Sessions) -> ConfusionMatrix:
    """Return the confusion matrix; raises NotFound, Conflict `not_ready`, `no_labels`."""
    row, _ = get_evaluation(evaluation_id, project_id=project_id, sessions=sessions)
    _require_ready(row)
    if row.confusion is None:
        message = f"{evaluation_id} has no confusion matrix: its task has no labels, or it is older"
        raise Conflict(message, code="no_labels")
    return ConfusionMatrix.model_validate(row.confusion)


def row_schema_of(evaluation_id: str, *, project_id: str, sessions: Sessions) -> dict[str, Any]:
    """Return the JSON Schema of a row; raises NotFound, Conflict `not_ready`, `earlier_version`."""
    row, scores = get_evaluation(evaluation_id, project_id=project_id, sessions=sessions)
    _require_ready(row)
    if row.setup is None:
        message = f"{evaluation_id} was made by an earlier version, whose rows had no schema"
        raise Conflict(message, code="earlier_version")
    return json_schema([score.metric for score in scores])


def base_models_of(project_id: str, *, sessions: Sessions) -> set[str]:
    """Return the base models that a project has evaluated, or means to."""
    with sessions.reading() as session:
        return repository.base_models(session, project_id)


def table_key_of(evaluation_id: str, *, project_id: str, sessions: Sessions) -> str:
    """Return the key of the evaluation's Parquet table; raises NotFound, Conflict `not_ready`."""
    with sessions.reading() as session:
        row = repository.get(session, evaluation_id, project_id=project_id)
    return _require_ready(row)


def _require_ready(row: Evaluation) -> str:
    if row.table_key is None:
        raise Conflict(f"{row.id} is not ready; its job is {row.job_id}", code="not_ready")
    return row.table_key
