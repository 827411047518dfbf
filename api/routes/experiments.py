"""Experiments: list, look, read, delete. Only jobs make them."""

import json
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response

from api import examples
from api.auth import Reader, Writer
from api.dependencies import AfterExperiment, ExperimentId, KeepRemote, Limit, Services
from api.downloads import MEDIA_TYPES, attachment, object_attachment, table_attachment
from api.openapi import answers, example_of, files, page_example
from api.pagination import Page, page_of
from service.erasure import operations
from service.erasure.schemas import Deletion
from service.experiments import queries
from service.experiments.label_error_schemas import LabelErrors
from service.experiments.report.archive import LABEL_ERRORS, REVEALED, TABLE, read_archived
from service.experiments.schemas import Experiment, present_experiment
from service.jobs.queries import job_states

router = APIRouter(prefix="/v1/experiments", tags=["experiments"])

ContentFormat = Literal["html", "json", "jsonl", "csv", "parquet"]
_HTML = "text/html; charset=utf-8"


@router.get(
    "",
    operation_id="listExperiments",
    summary="List experiments, newest first",
    responses=answers(page_example(examples.EXPERIMENT)),
)
def list_experiments(
    request: Request,
    principal: Reader,
    container: Services,
    after: AfterExperiment = None,
    limit: Limit = 20,
) -> Page[Experiment]:
    """Those still running are shown too, with the variants they have."""
    found = queries.list_experiments(
        principal.project_id, after=after, limit=limit + 1, sessions=container.sessions
    )
    states = job_states([row.job_id for row, _ in found], sessions=container.sessions)
    experiments = [
        present_experiment(row, variants, job=states.get(row.job_id), in_list=True)
        for row, variants in found
    ]
    return page_of(experiments, limit=limit, cursor=lambda each: each.id, request=request)


@router.get(
    "/{experiment_id}",
    operation_id="getExperiment",
    summary="Look at an experiment: its variants and its answer",
    responses=answers(examples.EXPERIMENT, 404),
)
def get_experiment(
    experiment_id: ExperimentId, principal: Reader, container: Services
) -> Experiment:
    """`answer` says in one sentence how much data is needed; `curve` holds what it follows from."""
    row, variants = queries.get_experiment(
        experiment_id, project_id=principal.project_id, sessions=container.sessions
    )
    states = job_states([row.job_id], sessions=container.sessions)
    return present_experiment(row, variants, job=states.get(row.job_id))


@router.delete(
    "/{experiment_id}",
    operation_id="deleteExperiment",
    summary="Delete an experiment, and what its jobs made if asked to",
    responses=answers(example_of(Deletion), 404, 409),
)
def delete_experiment(
    experiment_id: ExperimentId,
    principal: Writer,
    container: Services,
    with_outputs: Annotated[  # noqa: FBT002  a query parameter
        bool,
        Query(
            description=(
                "delete the evaluations, models and dataset that its jobs made, too; what "
                "something else needs is `kept`"
            )
        ),
    ] = False,
    keep_remote: KeepRemote = False,  # noqa: FBT002  a query parameter
) -> Deletion:
    """Datasets, models and evaluations that its jobs made stay, unless `with_outputs` is true."""
    return operations.delete_experiment(
        experiment_id,
        project_id=principal.project_id,
        with_outputs=with_outputs,
        keep_remote=keep_remote,
        services=container.erasure,
    )


@router.get(
    "/{experiment_id}/content",
    operation_id="getExperimentContent",
    summary="Download the report (html) or the curve",
    response_class=Response,
    responses=files(
        "text/html",
        "application/json",
        *MEDIA_TYPES.values(),
        json=("ExperimentCurve", examples.EXPERIMENT["curve"]),
        statuses=(404, 409, 416),
    ),
)
def get_content(
    experiment_id: ExperimentId,
    principal: Reader,
    container: Services,
    content_format: Annotated[
        ContentFormat, Query(alias="format", description="how it is written")
    ] = "html",
    reveal: Annotated[  # noqa: FBT002  a query parameter
        bool, Query(description="of the page: show the texts of rows as they are, unmasked")
    ] = False,
    byte_range: Annotated[
        str | None, Header(alias="Range", description="of the page and the Parquet file")
    ] = None,
) -> Response:
    """The report is a page without scripts; the curve is `json`, tables hold its points."""
    row = queries.ready_experiment(
        experiment_id, project_id=principal.project_id, sessions=container.sessions
    )
    match content_format:
        case "json":
            curve = json.dumps(row.curve, indent=1).encode()
            name = f"{experiment_id}.json"
            return attachment(iter([curve]), name=name, content_type="application/json")
        case "html" if reveal:
            page = read_archived(row.archive_key, REVEALED, store=container.store)
            return attachment(iter([page]), name=f"{experiment_id}.html", content_type=_HTML)
        case "html":
            return object_attachment(
                row.report_key or "",
                name=f"{experiment_id}.html",
                content_type=_HTML,
                store=container.store,
                byte_range=byte_range,
            )
        case _:
            return table_attachment(
                row.table_key or "",
                name=experiment_id,
                table_format=content_format,
                schema=TABLE,
                store=container.store,
                byte_range=byte_range,
            )


@router.get(
    "/{experiment_id}/label_errors",
    operation_id="getExperimentLabelErrors",
    summary="List training rows whose label is perhaps wrong",
    responses=answers(example_of(LabelErrors), 404, 409),
)
def get_label_errors(
    experiment_id: ExperimentId, principal: Reader, container: Services
) -> LabelErrors:
    """Of an experiment with `label_errors`; others answer 404 `report_file_not_found`."""
    row = queries.ready_experiment(
        experiment_id, project_id=principal.project_id, sessions=container.sessions
    )
    found = read_archived(row.archive_key, LABEL_ERRORS, store=container.store)
    return LabelErrors.model_validate_json(found)


@router.get(
    "/{experiment_id}/plots/{name}",
    operation_id="getExperimentPlot",
    summary="Download a plot of the report, as SVG or PNG",
    response_class=Response,
    responses=files("image/svg+xml", "image/png", statuses=(404, 409)),
)
def get_plot(
    experiment_id: ExperimentId,
    name: Annotated[
        str, Path(pattern=r"^[a-z_]{1,40}\.(svg|png)$", description="as `files` has it")
    ],
    principal: Reader,
    container: Services,
) -> Response:
    """`curve` is the learning curve, `front` quality against cost; `files` has those there are."""
    row = queries.ready_experiment(
        experiment_id, project_id=principal.project_id, sessions=container.sessions
    )
    plot = read_archived(row.archive_key, f"plots/{name}", store=container.store)
    media_type = "image/png" if name.endswith(".png") else "image/svg+xml"
    return attachment(iter([plot]), name=f"{experiment_id}-{name}", content_type=media_type)


@router.get(
    "/{experiment_id}/tables/{name}",
    operation_id="getExperimentTable",
    summary="Download a table of the report as CSV",
    response_class=Response,
    responses=files("text/csv", statuses=(404, 409)),
)
def get_table(
    experiment_id: ExperimentId,
    name: Annotated[str, Path(pattern=r"^[a-z_]{1,40}\.csv$", description="as `files` has it")],
    principal: Reader,
    container: Services,
) -> Response:
    """Numbers are not rounded; texts of rows are masked as on the page."""
    row = queries.ready_experiment(
        experiment_id, project_id=principal.project_id, sessions=container.sessions
    )
    table = read_archived(row.archive_key, f"tables/{name}", store=container.store)
    return attachment(iter([table]), name=f"{experiment_id}-{name}", content_type="text/csv")
