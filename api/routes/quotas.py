"""Quotas: at which pace calls to the provider start now, and why."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.auth import Reader
from api.dependencies import Limit, Services
from api.openapi import answers, example_of, page_example
from api.pagination import Page, page_of
from service.inference.redis_governor import list_quotas
from service.inference.schemas import QuotaView

router = APIRouter(prefix="/v1/quotas", tags=["quotas"])


@router.get(
    "",
    operation_id="listQuotas",
    summary="List the provider's quotas and how they are used",
    description="Of this installation, not of the project alone; those used in the last week.",
    responses=answers(page_example(example_of(QuotaView))),
)
def read_quotas(
    request: Request,
    principal: Reader,  # noqa: ARG001  any key of the installation may look
    container: Services,
    after: Annotated[
        str, Query(max_length=300, description="the last name of the page before")
    ] = "",
    limit: Limit = 20,
) -> Page[QuotaView]:
    found = sorted(list_quotas(container.settings.resolved_redis_url), key=_name)
    following = [quota for quota in found if _name(quota) > after]
    return page_of(following, limit=limit, cursor=_name, request=request)


def _name(quota: QuotaView) -> str:
    return f"{quota.location}/{quota.base_model}"
