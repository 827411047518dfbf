"""What is stored of some rows of an evaluation when it is scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from service.database import Session
from service.evaluation.answer_repository import Sample, samples_of
from service.evaluation.judges.scores import StoredVerdicts
from service.evaluation.plans.compared import Compared
from service.evaluation.plans.plan import EvaluationPlan
from service.evaluation.repository import labels_of
from service.evaluation.stages.judges import RUBRIC, VERBAL
from service.evaluation.stages.vertex_metrics import scores_of
from service.evaluation.vertex_metrics.protocol import VertexMetric


@dataclass(frozen=True, slots=True)
class StoredRows:
    """What is stored of some rows, by example: answers, replies of the judges, and the scores of
    the evaluation service by metric.
    """

    samples: Mapping[str, Sequence[Sample]]
    replies: Mapping[str, Sequence[Sample]]
    vertex_scores: Mapping[VertexMetric, Mapping[str, Sequence[Sample]]]
    verdicts: StoredVerdicts

    @property
    def judge_calls(self) -> list[Sample]:
        """All that was asked of models that judge."""
        found = (*self.replies.values(), *self.verdicts.replies.values())
        return [reply for said in found for reply in said]


def stored_rows(
    session: Session,
    plan: EvaluationPlan,
    ids: Sequence[str],
    *,
    compared: Compared | None = None,
) -> StoredRows:
    """Read what is stored of the rows of these examples."""
    read = partial(samples_of, session, plan.evaluation_id, ids)
    return StoredRows(
        read(),
        read(answers=VERBAL) if plan.spec.verbal else {},
        {each: read(answers=scores_of(each)) for each in plan.spec.vertex_metrics},
        StoredVerdicts(
            read(answers=RUBRIC),
            labels_of(session, plan.evaluation_id, ids),
            compared.answers(session, ids) if compared else {},
        )
        if plan.spec.judge
        else StoredVerdicts(),
    )
