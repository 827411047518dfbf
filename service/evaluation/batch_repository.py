"""SQL of an evaluation's batch and of the lane that was chosen for it."""

from sqlalchemy import func, select, update

from service.database import Session
from service.evaluation.models import BatchRun, Evaluation, Prediction


def find(session: Session, evaluation_id: str) -> BatchRun | None:
    return session.get(BatchRun, evaluation_id)


def spent_on(session: Session, evaluation_id: str) -> int:
    """Return the nano-dollars that the stored answers have cost; unpriced ones count nothing."""
    query = select(func.coalesce(func.sum(Prediction.cost_nano), 0))
    return int(session.scalar(query.where(Prediction.evaluation_id == evaluation_id)) or 0)


def lane_of(session: Session, evaluation_id: str) -> str | None:
    return session.scalar(select(Evaluation.lane).where(Evaluation.id == evaluation_id))


def choose_lane(session: Session, evaluation_id: str, *, lane: str, reason: str) -> None:
    statement = update(Evaluation).where(Evaluation.id == evaluation_id)
    session.execute(statement.values(lane=lane, lane_reason=reason))
