"""Models: list, look, delete. Only jobs make them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api import examples
from api.auth import Reader, Writer
from api.dependencies import AfterModel, KeepRemote, Limit, ModelId, ModelOrAlias, Services
from api.downloads import MEDIA_TYPES, attachment
from api.model_examples import MODEL_DETAIL
from api.openapi import answers, example_of, files, page_example
from api.pagination import Page, page_of
from service.clock import utc_now
from service.erasure.operations import delete_output
from service.erasure.schemas import Deletion
from service.jobs.queries import job_states
from service.jobs.schemas import OutputState
from service.model_registry.queries import detail_of, resolve
from service.model_registry.schemas import ModelDetail
from service.storage.tables import rows_as_csv
from service.tuning import queries
from service.tuning.curve_schemas import TrainingCurves, present_curves
from service.tuning.curves.records import overfitting_inconclusive, training_curves
from service.tuning.schemas import Model, present_model

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get(
    "",
    operation_id="listModels",
    summary="List tuned models, newest first",
    responses=answers(page_example(examples.MODEL)),
)
def list_models(
    request: Request,
    principal: Reader,
    container: Services,
    state: Annotated[list[OutputState] | None, Query(description="any of these")] = None,
    provider_state: Annotated[
        str | None,
        Query(
            max_length=50,
            description="state of the tuning as its provider last reported it",
            examples=["JOB_STATE_RUNNING"],
        ),
    ] = None,
    after: AfterModel = None,
    limit: Limit = 20,
) -> Page[Model]:
    """Those still being tuned are shown too."""
    found = queries.list_models(
        principal.project_id,
        states=state or (),
        provider_state=provider_state,
        after=after,
        limit=limit + 1,
        sessions=container.sessions,
    )
    states = job_states([row.job_id for row, _ in found], sessions=container.sessions)
    models = [
        present_model(row, job=states.get(row.job_id), tuning=tuning) for row, tuning in found
    ]
    return page_of(models, limit=limit, cursor=lambda model: model.id, request=request)


@router.get(
    "/{model_id}",
    operation_id="getModel",
    summary="Look at a tuned model",
    responses=answers(MODEL_DETAIL, 404),
)
def get_model(model_id: ModelOrAlias, principal: Reader, container: Services) -> ModelDetail:
    """Where it came from (tuning run, dataset, base model), its aliases and checkpoints, what
    Google's own client takes, and when its base model retires.
    """
    sessions, project_id = container.sessions, principal.project_id
    with sessions.reading() as session:
        found = resolve(session, model_id, project_id=project_id)
    row, tuning = queries.model_with_tuning(found, project_id=project_id, sessions=sessions)
    states = job_states([row.job_id], sessions=sessions)
    return detail_of(
        present_model(row, job=states.get(row.job_id), tuning=tuning),
        project_id=project_id,
        google_project=container.google.of(project_id).project,
        catalogue=container.catalogue,
        today=utc_now().date(),
        sessions=sessions,
    )


@router.get(
    "/{model_id}/curves",
    operation_id="getModelCurves",
    summary="See how the training of a model went, or goes",
    response_model=TrainingCurves,
    responses=files(
        "application/json",
        MEDIA_TYPES["csv"],
        json=("TrainingCurves", example_of(TrainingCurves)),
        statuses=(404,),
    ),
)
def get_curves(
    model_id: ModelId,
    principal: Reader,
    container: Services,
    curve_format: Annotated[
        Literal["json", "csv"], Query(alias="format", description="how to send it")
    ] = "json",
) -> TrainingCurves | Response:
    """Loss and accuracy on training and validation rows, by training step."""
    row, points = training_curves(
        model_id, project_id=principal.project_id, sessions=container.sessions
    )
    if curve_format == "csv":
        columns = ("series", "step", "value")
        rows = (dict(zip(columns, (p.series.value, p.step, p.value), strict=True)) for p in points)
        chunks = rows_as_csv(rows, columns=columns)
        return attachment(chunks, name=f"{model_id}-curves.csv", content_type=MEDIA_TYPES["csv"])
    states = job_states([row.job_id], sessions=container.sessions)
    inconclusive = overfitting_inconclusive(points)
    return present_curves(row, points, job=states.get(row.job_id), inconclusive=inconclusive)


@router.delete(
    "/{model_id}",
    operation_id="deleteModel",
    summary="Delete a model that nothing uses, at the provider too",
    responses=answers(example_of(Deletion), 404, 409),
)
def delete_model(
    model_id: ModelId,
    principal: Writer,
    container: Services,
    keep_remote: KeepRemote = False,  # noqa: FBT002  a query parameter
) -> Deletion:
    """A model that a `poll` job attached to was made by others: it stays at the provider. The
    tuning job stays there as a record in any case: Vertex AI deletes none.
    """
    return delete_output(
        model_id,
        project_id=principal.project_id,
        keep_remote=keep_remote,
        services=container.erasure,
    )
