"""The search for a text about a person, for administrators."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BeforeValidator

from api.auth import Administrator
from api.dependencies import Services
from api.job_requests import storable
from api.openapi import WITH_BODY, answers, example_of
from service.erasure.subjects.operations import find_subject
from service.erasure.subjects.schemas import SubjectQuery, SubjectSearch

router = APIRouter(prefix="/v1/subjects", tags=["erasures"])


@router.post(
    "/search",
    operation_id="findSubject",
    summary="Find where a text stands, in all projects",
    responses=answers(example_of(SubjectSearch), *WITH_BODY),
)
def search_subject(
    query: Annotated[SubjectQuery, BeforeValidator(storable)],
    _principal: Administrator,
    container: Services,
) -> SubjectSearch:
    """Some seconds of looking a call: continue with `after` until `next` is null. It looks into
    every table and every stored object; what lies at Google came from these. The text is written
    nowhere.
    """
    return find_subject(
        query.text, after=query.after, sessions=container.sessions, store=container.store
    )
