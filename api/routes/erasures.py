"""Erasures: what deleted outputs have left that is still to be erased."""

from fastapi import APIRouter, Request

from api.auth import Reader
from api.dependencies import AfterErasure, Limit, Services
from api.openapi import answers, example_of, page_example
from api.pagination import Page, page_of
from service.erasure import pending_leftovers
from service.erasure.schemas import Erasure

router = APIRouter(prefix="/v1/erasures", tags=["erasures"])


@router.get(
    "",
    operation_id="listErasures",
    summary="List what is still to be erased after deletions, newest first",
    responses=answers(page_example(example_of(Erasure))),
)
def list_erasures(
    request: Request,
    principal: Reader,
    container: Services,
    after: AfterErasure = None,
    limit: Limit = 20,
) -> Page[Erasure]:
    """Empty once nothing of what was deleted is left, here or at the provider."""
    found = pending_leftovers.list_erasures(
        principal.project_id, after=after, limit=limit + 1, sessions=container.sessions
    )
    return page_of(found, limit=limit, cursor=lambda each: each.id, request=request)
