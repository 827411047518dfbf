"""The audit trail, as administrators read it."""

from fastapi import APIRouter, Request

from api.auth import Admin
from api.dependencies import AfterAuditEntry, Limit, Services
from api.openapi import answers, example_of, page_example
from api.pagination import Page, page_of
from service.projects import audit
from service.projects.schemas import AuditEntryView

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get(
    "",
    operation_id="listAudit",
    summary="List who did what, newest first",
    responses=answers(page_example(example_of(AuditEntryView))),
)
def list_audit(
    request: Request,
    principal: Admin,
    container: Services,
    after: AfterAuditEntry = None,
    limit: Limit = 20,
) -> Page[AuditEntryView]:
    """Changes, exports and deletions of the project; an administrator of the installation sees
    those of all, and failed authentications.
    """
    found = audit.list_entries(
        None if principal.administers else principal.project_id,
        after=after,
        limit=limit + 1,
        sessions=container.sessions,
    )
    return page_of(found, limit=limit, cursor=lambda each: each.id, request=request)
