"""Datasets: list, look, read, delete. Only jobs make them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from api import examples
from api.auth import Reader, Writer
from api.dependencies import AfterDataset, DatasetId, Limit, Services
from api.downloads import MEDIA_TYPES, attachment, object_attachment
from api.openapi import answers, example_of, files, page_example
from api.pagination import Page, page_of
from service.datasets import queries
from service.datasets.examples import Split
from service.datasets.origins import dataset_origin
from service.datasets.publishing.content import ContentFormat, RowFilter
from service.datasets.report.page import render_report
from service.datasets.schemas import Dataset, DatasetRow, present_dataset
from service.erasure.operations import delete_output
from service.erasure.schemas import Deletion
from service.jobs.queries import job_states

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])


def _row_filter(
    label: Annotated[str | None, Query(max_length=1000, description="of this label")] = None,
    group: Annotated[str | None, Query(max_length=5000, description="of this group")] = None,
    row: Annotated[int | None, Query(ge=1, description="made of this row of the source")] = None,
    search: Annotated[
        str | None,
        Query(min_length=1, max_length=200, description="in text or target, whatever the case"),
    ] = None,
) -> RowFilter:
    return RowFilter(label=label, group=group, row=row, search=search)


RowFilterQuery = Annotated[RowFilter, Depends(_row_filter)]


@router.get(
    "",
    operation_id="listDatasets",
    summary="List datasets, newest first",
    responses=answers(page_example(examples.DATASET)),
)
def list_datasets(
    request: Request,
    principal: Reader,
    container: Services,
    after: AfterDataset = None,
    limit: Limit = 20,
) -> Page[Dataset]:
    """Those still being made are shown too; without their reports."""
    found = queries.list_datasets(
        principal.project_id, sessions=container.sessions, after=after, limit=limit + 1
    )
    states = job_states([row.job_id for row in found], sessions=container.sessions)
    datasets = [present_dataset(row, job=states.get(row.job_id), in_list=True) for row in found]
    return page_of(datasets, limit=limit, cursor=lambda dataset: dataset.id, request=request)


@router.get(
    "/{dataset_id}",
    operation_id="getDataset",
    summary="Look at a dataset",
    responses=answers(examples.DATASET, 404),
)
def get_dataset(dataset_id: DatasetId, principal: Reader, container: Services) -> Dataset:
    """Its report says what became of every row."""
    row = queries.get_dataset(
        dataset_id, project_id=principal.project_id, sessions=container.sessions
    )
    states = job_states([row.job_id], sessions=container.sessions)
    return present_dataset(row, job=states.get(row.job_id))


@router.delete(
    "/{dataset_id}",
    operation_id="deleteDataset",
    summary="Delete a dataset that nothing uses",
    responses=answers(example_of(Deletion), 404, 409),
)
def delete_dataset(dataset_id: DatasetId, principal: Writer, container: Services) -> Deletion:
    """Its rows and files go with it. A dataset that a model or evaluation names stays."""
    return delete_output(dataset_id, project_id=principal.project_id, services=container.erasure)


@router.get(
    "/{dataset_id}/rows",
    operation_id="listDatasetRows",
    summary="Read a dataset's examples, page by page",
    responses=answers(page_example(examples.DATASET_ROW), 404, 409),
)
def list_rows(
    dataset_id: DatasetId,
    request: Request,
    principal: Reader,
    container: Services,
    row_filter: RowFilterQuery,
    split: Annotated[Split | None, Query(description="only of this split")] = None,
    after: Annotated[
        str | None, Query(max_length=64, description="the last id of the page before")
    ] = None,
    limit: Limit = 20,
) -> Page[DatasetRow]:
    """In the order of their splits; a filter keeps rows that meet all of it."""
    rows = queries.list_rows(
        dataset_id,
        project_id=principal.project_id,
        sessions=container.sessions,
        store=container.store,
        split=split,
        row_filter=row_filter,
        after=after,
        limit=limit + 1,
    )
    return page_of(rows, limit=limit, cursor=lambda row: row.id, request=request)


@router.get(
    "/{dataset_id}/report",
    operation_id="getDatasetReport",
    summary="Read what the preparation found, as JSON or as a page",
    response_class=Response,
    responses=files(
        "application/json",
        "text/html",
        json=("DatasetReport", examples.DATASET_REPORT),
        statuses=(404, 409),
    ),
)
def get_report(
    dataset_id: DatasetId,
    principal: Reader,
    container: Services,
    report_format: Annotated[
        Literal["json", "html"], Query(alias="format", description="how it is written")
    ] = "json",
) -> Response:
    """What became of every row, lengths and tokens, labels, leaks, personal data and costs."""
    report = queries.dataset_report(
        dataset_id, project_id=principal.project_id, sessions=container.sessions
    )
    name = f"{dataset_id}.report.{report_format}"
    if report_format == "html":
        origin = dataset_origin(
            dataset_id, project_id=principal.project_id, sessions=container.sessions
        )
        page = render_report(report, origin)
        return attachment(iter([page]), name=name, content_type="text/html; charset=utf-8")
    text = report.model_dump_json(indent=1).encode()
    return attachment(iter([text]), name=name, content_type="application/json")


@router.get(
    "/{dataset_id}/content",
    operation_id="getDatasetContent",
    summary="Download a dataset",
    description=(
        "As a table (`parquet`, `jsonl`, `csv`), or as training lines in the form of a service: "
        "`contents` (Gemini), `openai`, and the older `messages` and `text_input_output`. Training "
        "lines are of the train split unless `split` names another."
    ),
    response_class=Response,
    responses=files(*MEDIA_TYPES.values(), statuses=(404, 409, 416)),
)
def get_content(
    dataset_id: DatasetId,
    principal: Reader,
    container: Services,
    content_format: Annotated[
        ContentFormat, Query(alias="format", description="how it is written")
    ] = "parquet",
    split: Annotated[Split | None, Query(description="only of this split; not for Parquet")] = None,
    byte_range: Annotated[
        str | None, Header(alias="Range", description="of the Parquet file")
    ] = None,
) -> Response:
    content = queries.dataset_content(
        dataset_id,
        content_format,
        split=split,
        project_id=principal.project_id,
        sessions=container.sessions,
        store=container.store,
    )
    if content.key is None:
        return attachment(content.chunks, name=content.file_name, content_type=content.content_type)
    return object_attachment(
        content.key,
        name=content.file_name,
        content_type=content.content_type,
        store=container.store,
        byte_range=byte_range,
    )
