"""Evaluations: list, look, read, delete. Only jobs make them."""

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from api import evaluation_examples, examples
from api.auth import Reader, Writer
from api.dependencies import (
    AfterEvaluation,
    EvaluationId,
    KeepRemote,
    Limit,
    RequestId,
    Services,
)
from api.downloads import MEDIA_TYPES, TableFormat, table_attachment
from api.job_requests import EvaluationRetry
from api.openapi import WITH_BODY, answers, example_of, files, page_example
from api.pagination import Page, page_of
from service.erasure.operations import delete_output
from service.erasure.schemas import Deletion
from service.evaluation import queries, retries
from service.evaluation.exports.manifest import evaluation_manifest
from service.evaluation.exports.row_filters import RowFilter
from service.evaluation.exports.schemas import EvaluationManifest, EvaluationRowOut
from service.evaluation.schemas import Evaluation, present_evaluation
from service.evaluation.scoring.confusion import ConfusionMatrix
from service.evaluation.scoring.row_table import rows_after, table_schema
from service.inference.ports import Outcome
from service.jobs.queries import job_states
from service.jobs.schemas import Job, present_job
from service.money import parse_dollars

router = APIRouter(prefix="/v1/evaluations", tags=["evaluations"])

_LAST_POSITION = 2**31 - 1


def _row_filter(
    outcome: Annotated[Outcome | None, Query(description="how the call ended")] = None,
    label: Annotated[str | None, Query(max_length=1000, description="of this label")] = None,
    group: Annotated[str | None, Query(max_length=5000, description="of this group")] = None,
    answer: Annotated[
        str | None, Query(max_length=5000, description="answered so, in its normal form")
    ] = None,
    finding: Annotated[str | None, Query(max_length=50, description="code of a finding")] = None,
    wrong: Annotated[
        bool | None, Query(description="true: answered and not right; false: right")
    ] = None,
    field: Annotated[
        str | None, Query(max_length=500, description="JSON wrong in this field (`guest.name`)")
    ] = None,
) -> RowFilter:
    correct = None if wrong is None else not wrong
    return RowFilter(outcome, label, group, answer, finding, correct, field)


RowFilterQuery = Annotated[RowFilter, Depends(_row_filter)]
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
    responses=answers(page_example(evaluation_examples.EVALUATION_ROW), 404, 409),
)
def list_rows(
    evaluation_id: EvaluationId,
    request: Request,
    principal: Reader,
    container: Services,
    row_filter: RowFilterQuery,
    after: Annotated[
        int, Query(ge=-1, le=_LAST_POSITION, description="the last position of the page before")
    ] = -1,
    limit: Limit = 20,
) -> Page[EvaluationRowOut]:
    """In the order of the test split, once all are there."""
    key = queries.table_key_of(
        evaluation_id, project_id=principal.project_id, sessions=container.sessions
    )
    stored = rows_after(key, evaluation_id, after=after, store=container.store)
    found = (_present_row(row) for row in stored if row_filter.accepts(row))
    rows = list(islice(found, limit + 1))
    return page_of(rows, limit=limit, cursor=lambda row: row.position, request=request)


def _present_row(row: dict[str, Any]) -> EvaluationRowOut:
    # A table of an earlier version has fewer columns.
    return EvaluationRowOut.model_validate({name: row[name] for name in _ROW_FIELDS if name in row})


@router.get(
    "/{evaluation_id}/confusion",
    operation_id="getEvaluationConfusion",
    summary="See which labels were answered for which",
    responses=answers(evaluation_examples.CONFUSION, 404, 409),
)
def get_confusion(
    evaluation_id: EvaluationId, principal: Reader, container: Services
) -> ConfusionMatrix:
    """Answers 409 `no_labels` where the task has no closed set of labels."""
    return queries.confusion_of(
        evaluation_id, project_id=principal.project_id, sessions=container.sessions
    )


@router.get(
    "/{evaluation_id}/manifest",
    operation_id="getEvaluationManifest",
    summary="See what an evaluation's results are of",
    responses=answers(evaluation_examples.EVALUATION_MANIFEST, 404, 409),
)
def get_manifest(
    evaluation_id: EvaluationId, principal: Reader, container: Services
) -> EvaluationManifest:
    """Dataset, prompts, decoding, reading of answers, signatures, and the SHA-256 of the rows."""
    return evaluation_manifest(
        evaluation_id, project_id=principal.project_id, sessions=container.sessions
    )


@router.get(
    "/{evaluation_id}/schema",
    operation_id="getEvaluationSchema",
    summary="Read the JSON Schema of an evaluation's rows",
    responses=answers(evaluation_examples.EVALUATION_SCHEMA, 404, 409),
)
def get_schema(
    evaluation_id: EvaluationId, principal: Reader, container: Services
) -> dict[str, Any]:
    """The names are those of `rows` and of the files; `scores` has one member for each metric."""
    return queries.row_schema_of(
        evaluation_id, project_id=principal.project_id, sessions=container.sessions
    )


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
        schema=table_schema(()),
        store=container.store,
        byte_range=byte_range,
    )


@router.post(
    "/{evaluation_id}/retry",
    operation_id="retryEvaluation",
    summary="Ask again only the rows that failed",
    description=(
        "Makes an `evaluate` job that asks the rows which had no answer after all attempts, or "
        "were never asked, and scores the evaluation anew. Answers that are there stay as they are "
        "and are not paid for again. An experiment made before keeps its report."
    ),
    status_code=202,
    responses=answers(examples.JOB, *WITH_BODY, 404, 409, 429, status=202, description="Submitted"),
)
def retry_evaluation(
    evaluation_id: EvaluationId,
    response: Response,
    principal: Writer,
    container: Services,
    request_id: RequestId,
    body: EvaluationRetry = EvaluationRetry(),
) -> Job:
    row = retries.retry_evaluation(
        evaluation_id,
        project_id=principal.project_id,
        labels=body.labels,
        budget_nano=None if body.budget is None else parse_dollars(body.budget.amount),
        request_id=request_id,
        services=container.jobs,
        open_jobs_limit=container.settings.open_jobs_limit,
    )
    job = present_job(row)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job
