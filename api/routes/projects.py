"""Projects: made, listed, limited by an administrator, who also makes their first key."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator

from api.auth import Administrator
from api.dependencies import AfterProject, Limit, ProjectId, Services
from api.job_requests import storable
from api.openapi import WITH_BODY, answers, example_of, page_example
from api.pagination import Page, page_of
from service.erasure.projects import erase_project
from service.erasure.schemas import ProjectErasure
from service.jobs.queries import count_open_jobs
from service.projects import administration, operations
from service.projects.schemas import (
    KeyCreate,
    KeyWithSecret,
    ProjectCreate,
    ProjectUpdate,
    ProjectView,
)
from service.projects.service_accounts import GoogleIdentity

router = APIRouter(prefix="/v1/projects", tags=["projects"])

_EXAMPLE = example_of(ProjectView)


@router.post(
    "",
    operation_id="createProject",
    summary="Make a project",
    status_code=201,
    responses=answers(_EXAMPLE, *WITH_BODY, 409, status=201, description="Made"),
)
def create_project(
    wanted: Annotated[ProjectCreate, BeforeValidator(storable)],
    request: Request,
    _principal: Administrator,
    container: Services,
) -> ProjectView:
    """It has no key yet: make its first with `POST /v1/projects/{project_id}/keys`."""
    project = administration.create_project(wanted, sessions=container.sessions)
    request.state.made = project.id
    return project


@router.get(
    "",
    operation_id="listProjects",
    summary="List projects, newest first",
    responses=answers(page_example(_EXAMPLE)),
)
def list_projects(
    request: Request,
    _principal: Administrator,
    container: Services,
    after: AfterProject = None,
    limit: Limit = 20,
) -> Page[ProjectView]:
    """All of the installation, those that are just erased too."""
    found = administration.list_projects(after=after, limit=limit + 1, sessions=container.sessions)
    return page_of(found, limit=limit, cursor=lambda each: each.id, request=request)


@router.get(
    "/{project_id}",
    operation_id="getProject",
    summary="Look at a project",
    responses=answers(_EXAMPLE, 404),
)
def get_project(
    project_id: ProjectId, _principal: Administrator, container: Services
) -> ProjectView:
    """What of others it may read, and its limits."""
    return administration.get_project(project_id, sessions=container.sessions)


@router.get(
    "/{project_id}/google-identity",
    operation_id="checkGoogleIdentity",
    summary="Ask Google whether a project's jobs may call as its service account",
    responses=answers(example_of(GoogleIdentity), 404),
)
def check_google_identity(
    project_id: ProjectId, _principal: Administrator, container: Services
) -> GoogleIdentity:
    """Costs nothing, and changes nothing."""
    administration.get_project(project_id, sessions=container.sessions)
    return container.google.of(project_id).check()


@router.patch(
    "/{project_id}",
    operation_id="updateProject",
    summary="Change what a project may read, and its limits",
    responses=answers(_EXAMPLE, *WITH_BODY, 404, 409),
)
def update_project(
    project_id: ProjectId,
    wanted: Annotated[ProjectUpdate, BeforeValidator(storable)],
    _principal: Administrator,
    container: Services,
) -> ProjectView:
    """What is left out stays; a list or the limits are replaced as a whole. Another service account
    is refused (409) while jobs of the project have not ended.
    """
    return administration.update_project(
        project_id, wanted, count_open_jobs=count_open_jobs, sessions=container.sessions
    )


@router.delete(
    "/{project_id}",
    operation_id="deleteProject",
    summary="Erase a project with all that it holds, or say what would go",
    status_code=202,
    responses={
        200: {
            "model": ProjectErasure,
            "description": "What would go: nothing has changed",
            "content": {
                "application/json": {"example": example_of(ProjectErasure) | {"state": "planned"}}
            },
        },
        **answers(
            example_of(ProjectErasure), 404, 409, status=202, description="It is being erased"
        ),
    },
)
def delete_project(
    project_id: ProjectId,
    request: Request,
    response: Response,
    _principal: Administrator,
    container: Services,
    dry_run: Annotated[bool, Query(description="only say what would go")] = False,  # noqa: FBT002  a query parameter
) -> ProjectErasure:
    """Its keys open nothing from now on, its jobs are cancelled, and workers delete outputs,
    files, jobs, usage, webhooks, cached answers, keys, and what is at the provider. It is gone
    (404) once all of that is; the audit trail stays. The project `default` cannot be erased.
    """
    erasure = erase_project(project_id, dry_run=dry_run, sessions=container.sessions)
    request.app.state.known_keys.forget()
    if dry_run:
        request.state.made = "dry_run"
        response.status_code = 200
    return erasure


@router.post(
    "/{project_id}/keys",
    operation_id="createProjectKey",
    summary="Make a key of a project; its secret is shown this once",
    status_code=201,
    responses=answers(example_of(KeyWithSecret), *WITH_BODY, 404, status=201, description="Made"),
)
def create_project_key(
    project_id: ProjectId,
    wanted: Annotated[KeyCreate, BeforeValidator(storable)],
    request: Request,
    response: Response,
    _principal: Administrator,
    container: Services,
) -> KeyWithSecret:
    """With the scope `admin` it makes the project's other keys by itself."""
    administration.get_project(project_id, sessions=container.sessions)
    response.headers["Cache-Control"] = "no-store"
    key = operations.create_key(
        project_id,
        name=wanted.name,
        scopes=wanted.scopes,
        expires_at=wanted.expires_at,
        sessions=container.sessions,
    )
    request.state.made = key.id
    return key
