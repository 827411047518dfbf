"""Quotas: at which pace calls to the provider start now, and why."""

from fastapi import APIRouter

from api.auth import Reader
from api.dependencies import Services
from api.openapi import answers, example_of, page_example
from api.pagination import Page
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
def read_quotas(principal: Reader, container: Services) -> Page[QuotaView]:  # noqa: ARG001
    found = list_quotas(container.settings.redis_url)
    return Page(data=found, has_more=False, next=None)
