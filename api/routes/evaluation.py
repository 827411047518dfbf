"""Evaluations: list, look, read, delete. Only jobs make them."""

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from api import examples
from api.auth import Reader, Writer
from api.dependencies import AfterEvaluation, EvaluationId, KeepRemote, Limit, Services
from api.downloads import MEDIA_TYPES, TableFormat, table_attachment, table_rows
from api.openapi import answers, example_of, files, page_example
from api.pagination import Page, page_of
from service.erasure.operations import delete_output
from service.erasure.schemas import Deletion
from service.evaluation import queries
from service.evaluation.results import TABLE
from service.evaluation.schemas import Evaluation, EvaluationRowOut, present_evaluation
from service.jobs.queries import job_states

router = APIRouter(prefix="/v1/evaluations", tags=["evaluations"])

_LAST_POSITION = 2**31 - 1
_ROW_FIELDS = [name for name in EvaluationRowOut.model_fields if name != "object"]


@router.get(
    "",
    operation_id="listEvaluations",
    summary="List evaluations, newest first",
    responses=answers(page_example(examples.EVALUATION)),
)
def list_evaluations(
    request: Request,
    principal: Reader,
    container: Services,
    after: AfterEvaluation = None,
    limit: Limit = 20,
) -> Page[Evaluation]:
    """Those still running are shown too, with the scores they have."""
    found = queries.list_evaluations(
        principal.project_id, after=after, limit=limit + 1, sessions=container.sessions
    )
    states = job_states([row.job_id for row, _ in found], sessions=container.sessions)
    evaluations = [
        present_evaluation(row, scores, job=states.get(row.job_id)) for row, scores in found
    ]
    return page_of(evaluations, limit=limit, cursor=lambda each: each.id, request=request)


@router.get(
    "/{evaluation_id}",
    operation_id="getEvaluation",
    summary="Look at an evaluation",
    responses=answers(examples.EVALUATION, 404),
)
def get_evaluation(
    evaluation_id: EvaluationId, principal: Reader, container: Services
) -> Evaluation:
    """Scores come with a 95 % interval and with the share of rows that were answered."""
    row, scores = queries.get_evaluation(
        evaluation_id, project_id=principal.project_id, sessions=container.sessions
    )
    states = job_states([row.job_id], sessions=container.sessions)
    return present_evaluation(row, scores, job=states.get(row.job_id))


@router.delete(
    "/{evaluation_id}",
    operation_id="deleteEvaluation",
    summary="Delete an evaluation with its answers, those in the cache and in batches too",
    responses=answers(example_of(Deletion), 404, 409),
)
def delete_evaluation(
    evaluation_id: EvaluationId,
    principal: Writer,
    container: Services,
    keep_remote: KeepRemote = False,  # noqa: FBT002  a query parameter
) -> Deletion:
    """Nothing of its answers is left, but what other evaluations have taken from the cache."""
    return delete_output(
        evaluation_id,
        project_id=principal.project_id,
        keep_remote=keep_remote,
        services=container.erasure,
    )


@router.get(
    "/{evaluation_id}/rows",
    operation_id="listEvaluationRows",
    summary="Read an evaluation's answers, page by page",
    responses=answers(page_example(examples.EVALUATION_ROW), 404, 409),
)
def list_rows(
    evaluation_id: EvaluationId,
    request: Request,
    principal: Reader,
    container: Services,
    after: Annotated[
        int, Query(ge=-1, le=_LAST_POSITION, description="the last position of the page before")
    ] = -1,
    limit: Limit = 20,
) -> Page[EvaluationRowOut]:
    """In the order of the test split, once all are there."""
    key = queries.table_key_of(
        evaluation_id, project_id=principal.project_id, sessions=container.sessions
    )
    stored = table_rows(key, store=container.store)
    following = (_present_row(row) for row in stored if row["position"] > after)
    rows = list(islice(following, limit + 1))
    return page_of(rows, limit=limit, cursor=lambda row: row.position, request=request)


def _present_row(row: dict[str, Any]) -> EvaluationRowOut:
    # A table of an earlier version has fewer columns.
    return EvaluationRowOut.model_validate({name: row[name] for name in _ROW_FIELDS if name in row})


@router.get(
    "/{evaluation_id}/content",
    operation_id="getEvaluationContent",
    summary="Download an evaluation's answers",
    response_class=Response,
    responses=files(*MEDIA_TYPES.values(), statuses=(404, 409, 416)),
)
def get_content(
    evaluation_id: EvaluationId,
    principal: Reader,
    container: Services,
    content_format: Annotated[
        TableFormat, Query(alias="format", description="how it is written")
    ] = "parquet",
    byte_range: Annotated[
        str | None, Header(alias="Range", description="of the Parquet file")
    ] = None,
) -> Response:
    """One row for each test row: the answer, how the call ended, and what counts as right."""
    key = queries.table_key_of(
        evaluation_id, project_id=principal.project_id, sessions=container.sessions
    )
    return table_attachment(
        key,
        name=evaluation_id,
        table_format=content_format,
        schema=TABLE,
        store=container.store,
        byte_range=byte_range,
    )
