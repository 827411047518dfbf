"""Quotas: at which pace calls to the provider start now, and why."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from api.auth import Administrator, Reader
from api.dependencies import Limit, Services
from api.openapi import WITH_BODY, answers, example_of, page_example
from api.pagination import Page, page_of
from service.catalogue.catalogue import unversioned
from service.evaluation.queries import base_models_of
from service.inference.quota_controls import change_quota
from service.inference.redis_governor import list_quotas
from service.inference.schemas import QuotaChange, QuotaControlView, QuotaView

router = APIRouter(prefix="/v1/quotas", tags=["quotas"])


@router.get(
    "",
    operation_id="listQuotas",
    summary="List the provider's quotas and how they are used",
    description=(
        "Those used in the last week, of base models that the project has evaluated; the "
        "installation's administrators see all. The numbers are of all projects together."
    ),
    responses=answers(page_example(example_of(QuotaView))),
)
def read_quotas(
    request: Request,
    principal: Reader,
    container: Services,
    after: Annotated[
        str, Query(max_length=300, description="the last name of the page before")
    ] = "",
    limit: Limit = 20,
) -> Page[QuotaView]:
    found = sorted(list_quotas(container.redis.url), key=lambda quota: quota.key)
    if not principal.administers:
        used = base_models_of(principal.project_id, sessions=container.sessions)
        own = {unversioned(base_model) for base_model in used}
        google = container.google.of(principal.project_id).project
        found = [
            quota for quota in found if quota.base_model in own and quota.google_project == google
        ]
    following = [quota for quota in found if quota.key > after]
    return page_of(following, limit=limit, cursor=lambda quota: quota.key, request=request)


@router.patch(
    "/{location}/{base_model}",
    operation_id="changeQuota",
    summary="Pause, resume or retune a quota while jobs run",
    description=(
        "Of this installation, for all its projects, and over restarts. A paused quota starts no "
        "call: calls under way end, and jobs wait (`quota`) until it is resumed. Tunings and "
        "batches that the provider runs continue."
    ),
    responses=answers(example_of(QuotaControlView), *WITH_BODY, 404, 503),
)
def patch_quota(
    location: Annotated[str, Path(max_length=40, examples=["us"], description="as listed")],
    base_model: Annotated[
        str, Path(max_length=128, examples=["gemini-3.1-flash-lite"], description="as listed")
    ],
    change: QuotaChange,
    _principal: Administrator,
    container: Services,
) -> QuotaControlView:
    return change_quota(
        f"{location}/{base_model}",
        change,
        google_projects=container.google.cloud_projects(),
        redis_url=container.redis.url,
        catalogue=container.catalogue,
        sessions=container.sessions,
    )
