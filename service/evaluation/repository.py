"""SQL of evaluations, their scores and batches."""

from collections.abc import Iterator, Sequence

from sqlalchemy import func, select, update

from service.database import Session, delete_unless_used
from service.errors import NotFound
from service.evaluation.models import (
    BatchRun,
    Evaluation,
    HumanVerdict,
    Prediction,
    ScoreRow,
)


def add(session: Session, row: Evaluation) -> None:
    session.add(row)
    session.flush()


def get(session: Session, evaluation_id: str, *, project_id: str) -> Evaluation:
    """Return an evaluation of the project; raises NotFound."""
    query = select(Evaluation).where(
        Evaluation.id == evaluation_id, Evaluation.project_id == project_id
    )
    row = session.scalar(query)
    if row is None:
        raise NotFound(f"no evaluation {evaluation_id}", code="evaluation_not_found")
    return row


def lock(session: Session, evaluation_id: str) -> Evaluation:
    """Return an evaluation as it stands now, locked for the rest of the transaction."""
    return session.get_one(Evaluation, evaluation_id, with_for_update=True)


def page(session: Session, project_id: str, *, after: str | None, limit: int) -> list[Evaluation]:
    query = select(Evaluation).where(Evaluation.project_id == project_id)
    if after:
        query = query.where(Evaluation.id < after)
    return list(session.scalars(query.order_by(Evaluation.id.desc()).limit(limit)))


def of_model(session: Session, model_id: str, *, project_id: str) -> list[Evaluation]:
    """Return the finished evaluations of a tuned model on test rows, newest first; none of a
    checkpoint that was asked by its id.
    """
    query = select(Evaluation).where(
        Evaluation.project_id == project_id,
        Evaluation.model_id == model_id,
        Evaluation.checkpoint.is_(None),
        Evaluation.split == "test",
        Evaluation.ready_at.is_not(None),
    )
    return list(session.scalars(query.order_by(Evaluation.id.desc())))


def base_models(session: Session, project_id: str) -> set[str]:
    query = select(Evaluation.base_model).where(Evaluation.project_id == project_id).distinct()
    return set(session.scalars(query))


def remove(session: Session, evaluation_id: str) -> list[str]:
    """Delete an evaluation unless it is used; return what uses it."""
    return delete_unless_used(session, Evaluation, evaluation_id)


# ------------------------------------------------------------ scores


def put_scores(session: Session, rows: Sequence[ScoreRow]) -> None:
    for row in rows:
        session.merge(row)


def scores(session: Session, evaluation_ids: Sequence[str]) -> Iterator[ScoreRow]:
    query = (
        select(ScoreRow)
        .where(ScoreRow.evaluation_id.in_(evaluation_ids))
        .order_by(ScoreRow.evaluation_id, ScoreRow.position)
    )
    yield from session.scalars(query)


def mean_tokens(session: Session, evaluation_id: str) -> tuple[float, float]:
    """Return the mean tokens of a prompt and of an answer, of answers that have any; else 0."""
    query = select(
        func.coalesce(func.avg(Prediction.prompt_tokens), 0),
        func.coalesce(func.avg(Prediction.output_tokens), 0),
    ).where(Prediction.evaluation_id == evaluation_id, Prediction.prompt_tokens > 0)
    prompt, output = session.execute(query).one()
    return float(prompt), float(output)


def median_latency(session: Session, evaluation_id: str) -> int | None:
    """Return the median milliseconds of the calls that answered; None where none was timed."""
    timed = (
        Prediction.evaluation_id == evaluation_id,
        Prediction.latency_ms.is_not(None),
        Prediction.cached.is_(False),
    )
    count = session.scalar(select(func.count()).where(*timed)) or 0
    query = select(Prediction.latency_ms).where(*timed).order_by(Prediction.latency_ms)
    return session.scalar(query.offset(count // 2).limit(1))


# ------------------------------------------------------------ what people say of answers


def put_verdicts(session: Session, rows: Sequence[HumanVerdict]) -> None:
    """Store what people said, in place of what they said of the same answers before."""
    for row in rows:
        session.merge(row)


def verdicts(session: Session, evaluation_id: str) -> list[HumanVerdict]:
    query = select(HumanVerdict).where(HumanVerdict.evaluation_id == evaluation_id)
    return list(session.scalars(query.order_by(HumanVerdict.example_id, HumanVerdict.rater)))


def labels_of(
    session: Session, evaluation_id: str, example_ids: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Return the places that people gave to answers, by example and by who gave them."""
    query = select(HumanVerdict.example_id, HumanVerdict.rater, HumanVerdict.place).where(
        HumanVerdict.evaluation_id == evaluation_id, HumanVerdict.example_id.in_(example_ids)
    )
    found: dict[str, dict[str, int]] = {}
    for example_id, rater, place in session.execute(query):
        found.setdefault(example_id, {})[rater] = place
    return found


# ------------------------------------------------------------ lane and batch


def find_batch(session: Session, evaluation_id: str) -> BatchRun | None:
    return session.get(BatchRun, evaluation_id)


def spent_on(session: Session, evaluation_id: str) -> int:
    """Return the nano-dollars that the stored answers have cost; unpriced ones count nothing."""
    query = select(func.coalesce(func.sum(Prediction.cost_nano), 0))
    return int(session.scalar(query.where(Prediction.evaluation_id == evaluation_id)) or 0)


def lane_of(session: Session, evaluation_id: str) -> str | None:
    return session.scalar(select(Evaluation.lane).where(Evaluation.id == evaluation_id))


def set_lane(session: Session, evaluation_id: str, *, lane: str, reason: str) -> None:
    statement = update(Evaluation).where(Evaluation.id == evaluation_id)
    session.execute(statement.values(lane=lane, lane_reason=reason))


def add_lane_reason(session: Session, evaluation_id: str, told: str) -> None:
    """Add to why an evaluation goes its way what happened on it."""
    row = session.get_one(Evaluation, evaluation_id)
    row.lane_reason = "; ".join(filter(None, (row.lane_reason, told)))[:500]
