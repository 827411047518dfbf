"""Keys: make, list, revoke; and whose key this is."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BeforeValidator

from api.auth import Admin, Caller
from api.dependencies import AfterKey, KeyId, Limit, Services
from api.job_requests import storable
from api.openapi import WITH_BODY, answers, example_of, page_example, problems
from api.pagination import Page, page_of
from api.version import VERSION
from service.projects import operations
from service.projects.schemas import Key, KeyCreate, KeyWithSecret, Me

router = APIRouter(prefix="/v1", tags=["keys"])


@router.post(
    "/keys",
    operation_id="createKey",
    summary="Make a key; its secret is shown this once",
    status_code=201,
    responses=answers(
        example_of(KeyWithSecret),
        *WITH_BODY,
        status=201,
        description="Made",
        sends=("Cache-Control",),
    ),
)
def create_key(
    wanted: Annotated[KeyCreate, BeforeValidator(storable)],
    request: Request,
    response: Response,
    principal: Admin,
    container: Services,
) -> KeyWithSecret:
    """Only a digest of the secret is stored: it cannot be shown again."""
    key = operations.create_key(
        principal.project_id,
        name=wanted.name,
        scopes=wanted.scopes,
        expires_at=wanted.expires_at,
        sessions=container.sessions,
    )
    response.headers["Cache-Control"] = "no-store"
    request.state.made = key.id
    return key


@router.get(
    "/keys",
    operation_id="listKeys",
    summary="List keys, newest first, without their secrets",
    responses=answers(page_example(example_of(Key))),
)
def list_keys(
    request: Request,
    principal: Admin,
    container: Services,
    after: AfterKey = None,
    limit: Limit = 20,
) -> Page[Key]:
    """Revoked and expired ones too."""
    found = operations.list_keys(
        principal.project_id, after=after, limit=limit + 1, sessions=container.sessions
    )
    return page_of(found, limit=limit, cursor=lambda key: key.id, request=request)


@router.delete(
    "/keys/{key_id}",
    operation_id="revokeKey",
    summary="End a key for good",
    status_code=204,
    responses=problems(404),
)
def revoke_key(key_id: KeyId, request: Request, principal: Admin, container: Services) -> None:
    """Requests with it are refused: by this process of the API at once, by others within two
    seconds. A second call changes nothing.
    """
    operations.revoke_key(key_id, project_id=principal.project_id, sessions=container.sessions)
    request.app.state.known_keys.forget()


@router.get(
    "/me",
    operation_id="whoAmI",
    summary="What this key opens",
    responses=answers(example_of(Me)),
)
def who_am_i(principal: Caller, container: Services) -> Me:
    """The project that the key opens, its scopes, and the limits of this server."""
    settings = container.settings
    return Me(
        project=principal.project_id,
        key=principal.key_id,
        scopes=sorted(principal.scopes),
        limits={
            "open_jobs": settings.open_jobs_limit,
            "upload_bytes": settings.upload_bytes_limit,
            "body_bytes": settings.body_bytes_limit,
            "line_bytes": settings.line_bytes_limit,
        },
        version=VERSION,
    )
