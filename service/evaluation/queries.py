"""Evaluations with their scores, and where their tables lie."""

from service.database import Session, Sessions
from service.errors import Conflict
from service.evaluation import repository
from service.evaluation.models import Evaluation, ScoreRow


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


def mean_tokens(session: Session, evaluation_id: str) -> tuple[float, float]:
    """Return the mean tokens of a prompt and of an answer, over the answers that came."""
    return repository.mean_tokens(session, evaluation_id)


def table_key_of(evaluation_id: str, *, project_id: str, sessions: Sessions) -> str:
    """Return the key of the evaluation's Parquet table; raises NotFound, Conflict `not_ready`."""
    with sessions.reading() as session:
        row = repository.get(session, evaluation_id, project_id=project_id)
    if row.table_key is None:
        raise Conflict(f"{evaluation_id} is not ready; its job is {row.job_id}", code="not_ready")
    return row.table_key
