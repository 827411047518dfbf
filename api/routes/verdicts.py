"""What people say of the answers of an evaluation that a model has judged."""

from fastapi import APIRouter

from api import evaluation_examples
from api.auth import Reader, Writer
from api.dependencies import EvaluationId, Services
from api.openapi import WITH_BODY, answers
from service.evaluation import verdicts
from service.evaluation.judges.reports import JudgeReport
from service.evaluation.judges.verdict_schemas import Verdicts, VerdictsIn

router = APIRouter(prefix="/v1/evaluations", tags=["evaluations"])


@router.get(
    "/{evaluation_id}/verdicts",
    operation_id="listEvaluationVerdicts",
    summary="See what people say of answers, beside the judge's scores",
    responses=answers(evaluation_examples.VERDICTS, 404, 409),
)
def list_verdicts(evaluation_id: EvaluationId, principal: Reader, container: Services) -> Verdicts:
    """Answers 409 `no_judge` where no judge by a rubric was asked for."""
    return verdicts.list_verdicts(
        evaluation_id,
        project_id=principal.project_id,
        sessions=container.sessions,
        store=container.store,
    )


@router.post(
    "/{evaluation_id}/verdicts",
    operation_id="putEvaluationVerdicts",
    summary="Say what people think of answers, to see what the judge is worth",
    description=(
        "All verdicts are taken, or none, with the reason for each. A second one of the same rater "
        "on an answer takes the place of the first. Label rows drawn at random, without the "
        "judge's verdict in view; the answer has agreement and bias, and so has the evaluation."
    ),
    responses=answers(evaluation_examples.JUDGE, *WITH_BODY, 404, 409),
)
def put_verdicts(
    evaluation_id: EvaluationId, principal: Writer, container: Services, body: VerdictsIn
) -> JudgeReport:
    return verdicts.put_verdicts(
        evaluation_id,
        body.data,
        project_id=principal.project_id,
        sessions=container.sessions,
        store=container.store,
    )
