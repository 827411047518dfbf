"""Retention: how long each kind of data is kept."""

from fastapi import APIRouter

from api.auth import Reader
from api.dependencies import Services
from api.openapi import answers, example_of
from service.erasure import retention
from service.erasure.schemas import Retention

router = APIRouter(prefix="/v1/retention", tags=["erasures"])


@router.get(
    "",
    operation_id="getRetention",
    summary="Say how long each kind of data is kept",
    responses=answers(example_of(Retention)),
)
def get_retention(principal: Reader, container: Services) -> Retention:
    """The settings of the installation, and how much of the project's data is older."""
    return retention.retention_of(
        container.settings, project_id=principal.project_id, sessions=container.sessions
    )
