"""Whether a model may take the place of another: compared on the same test rows, by pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.database import Session, Sessions
from service.datasets.queries import ready_dataset
from service.errors import Conflict
from service.evaluation.exports.row_scores import read_test_scores
from service.evaluation.queries import ScoredEvaluation, evaluations_on_test
from service.evaluation.scoring.scores import check_signatures
from service.evaluation.statistics.comparison import Comparison, compare
from service.model_registry.schemas import ModelComparison
from service.storage.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two evaluations that compare: same dataset, variant, shots and metric."""

    new: ScoredEvaluation
    previous: ScoredEvaluation
    metric: str


def compare_models(
    model_id: str, previous_id: str, *, project_id: str, sessions: Sessions, store: ObjectStore
) -> ModelComparison:
    """Compare a model with another by their newest evaluations on the same test rows.

    Raises Conflict `not_compared` where there are none, and `signatures_differ`.
    """
    with sessions.reading() as session:
        pair = _newest_pair(session, model_id, previous_id, project_id)
        dataset = ready_dataset(pair.new.dataset, project_id=project_id, session=session)
    check_signatures(
        {each.model: each.signatures[pair.metric] for each in (pair.new, pair.previous)}
    )
    test, scores = read_test_scores(
        {each.model: each.id for each in (pair.new, pair.previous)},
        dataset,
        metric=pair.metric,
        project_id=project_id,
        sessions=sessions,
        store=store,
    )
    return _model_comparison(compare(*scores, test=test), pair)


def _newest_pair(session: Session, model_id: str, previous_id: str, project_id: str) -> _Pair:
    new = evaluations_on_test(session, model_id, project_id=project_id)
    previous = evaluations_on_test(session, previous_id, project_id=project_id)
    pair = next(_pairs(session, new, previous, project_id), None)
    if pair is None:
        wanted = sorted({each.dataset for each in (*previous, *new)})
        where = f" on the test rows of {', '.join(wanted)}" if wanted else ""
        message = (
            f"{model_id} and {previous_id} have no evaluations with the same dataset, variant, "
            f"shots and metric to be compared by: evaluate both{where}, or move by `force`"
        )
        raise Conflict(message, code="not_compared")
    return pair


def _pairs(
    session: Session,
    new: Sequence[ScoredEvaluation],
    previous: Sequence[ScoredEvaluation],
    project_id: str,
) -> Iterator[_Pair]:
    """Yield pairs that compare, of the newest evaluations first."""
    for mine in new:
        dataset = ready_dataset(mine.dataset, project_id=project_id, session=session)
        for theirs in previous:
            if mine.way != theirs.way:
                continue
            for metric in dataset.metrics:
                if metric in mine.signatures and metric in theirs.signatures:
                    yield _Pair(mine, theirs, metric)


def _model_comparison(found: Comparison, pair: _Pair) -> ModelComparison:
    is_worse = found.is_shown and found.difference < 0
    return ModelComparison(
        dataset=pair.new.dataset,
        metric=pair.metric,
        evaluation=pair.new.id,
        previous_evaluation=pair.previous.id,
        difference=found.difference,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        rows=found.rows,
        groups=found.groups,
        coverage=found.coverage,
        method=found.method,
        verdict="worse" if is_worse else "not_shown_to_be_worse",
    )
