"""The finished evaluation whose answers a pairwise judge compares others with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.catalogue.catalogue import Catalogue
from service.database import Session, Sessions
from service.errors import Fault, Invalid, NotFound
from service.evaluation import repository
from service.evaluation.answer_repository import samples_of
from service.evaluation.generation_schemas import RubricJudge
from service.evaluation.plans.judge_checks import check_family
from service.evaluation.plans.plan import EvaluationPlan
from service.evaluation.schemas import VariantKind
from service.evaluation.scoring.answers import AnswerReader
from service.evaluation.scoring.votes import majority
from service.inference.ports import Outcome

_POINTER = "/spec/judge/against"


@dataclass(frozen=True, slots=True)
class Compared:
    """An evaluation, how its answers are read, and the seed that breaks its ties."""

    evaluation_id: str
    reader: AnswerReader
    seed: int

    def answers(self, session: Session, ids: Sequence[str]) -> dict[str, str]:
        """Return its answers to the examples of these ids, by id; those that it has."""
        found = {
            example_id: majority(samples, self.reader, seed=self.seed).answer
            for example_id, samples in samples_of(session, self.evaluation_id, ids).items()
        }
        return {name: each.raw for name, each in found.items() if each.outcome is Outcome.OK}


def compared_with(
    judge: RubricJudge | None, plan: EvaluationPlan, *, project_id: str, sessions: Sessions
) -> Compared | None:
    """Return the evaluation that a judge compares with; None where there is none.

    Raises what `check_compared` raises.
    """
    if judge is None or judge.against is None:
        return None
    with sessions.reading() as session:
        rows = (plan.dataset.id, plan.spec.split)
        kind = check_compared(session, judge, rows, project_id=project_id)
    reader = AnswerReader(plan.dataset.answer, is_marked=kind.reasons)
    return Compared(judge.against, reader, plan.spec.seed)


def check_judge(
    session: Session,
    judge: RubricJudge | None,
    rows: tuple[str, str],
    *,
    answered_by: Iterable[str],
    project_id: str,
    catalogue: Catalogue,
) -> None:
    """Raise what `check_family` raises of each base model that answers, and `check_compared`.

    `rows` are a dataset and a split.
    """
    for base_model in answered_by:
        check_family(judge, base_model, catalogue=catalogue)
    check_compared(session, judge, rows, project_id=project_id)


def check_compared(
    session: Session, judge: RubricJudge | None, rows: tuple[str, str], *, project_id: str
) -> VariantKind:
    """Return the variant of the evaluation that a judge compares with.

    Raises NotFound `input_not_found`, and Invalid `evaluations_differ` where it is not finished or
    of other rows.
    """
    if judge is None or judge.against is None:
        return VariantKind.ZERO_SHOT
    try:
        row = repository.get(session, judge.against, project_id=project_id)
    except NotFound as error:
        fault = Fault(_POINTER, "input_not_found", error.message)
        raise NotFound(error.message, code="input_not_found", faults=[fault]) from error
    if row.ready_at is None or (row.dataset_id, row.split) != rows:
        message = (
            f"{judge.against} is not finished, or not of the same rows: "
            "answers are compared row by row"
        )
        fault = Fault(_POINTER, "evaluations_differ", message)
        raise Invalid(message, code="evaluations_differ", faults=[fault])
    return VariantKind(row.kind)
