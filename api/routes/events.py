"""Events: what happened, as a list and as a stream."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool

from api.auth import Reader
from api.dependencies import AfterJob, Limit, Services
from api.event_stream import BATCH, EventBatch, EventStream, event_text
from api.key_slots import KeySlots
from api.openapi import answers, example_of, page_example, problems
from api.pagination import Page, page_of
from service.database import Sessions
from service.jobs.lifecycle import TERMINAL
from service.jobs.queries import get_job, job_states
from service.webhooks.event_log import list_events as find_events
from service.webhooks.events import EventType
from service.webhooks.schemas import Event

router = APIRouter(prefix="/v1/events", tags=["events"])

_TYPES = ("*", "job.*", "model.*", "webhook.*", *(type_.value for type_ in EventType))
_LAST_SEQ = 2**63 - 1


def _known_type(pattern: str) -> str:
    if pattern not in _TYPES:
        raise PydanticCustomError("unknown_event_type", "known: {known}", {"known": list(_TYPES)})
    return pattern


EventTypes = Annotated[
    list[Annotated[str, AfterValidator(_known_type)]] | None,
    Query(alias="type", description=f"any of these: {', '.join(_TYPES)}"),
]
OfJob = Annotated[AfterJob, Query(description="only of this job")]


@router.get(
    "",
    operation_id="listEvents",
    summary="List events, oldest first",
    responses=answers(page_example(example_of(Event))),
)
def list_events(
    request: Request,
    principal: Reader,
    container: Services,
    job: OfJob = None,
    types: EventTypes = None,
    after: Annotated[
        int, Query(ge=0, le=_LAST_SEQ, description="the last seq of the page before")
    ] = 0,
    limit: Limit = 20,
) -> Page[Event]:
    """Events are numbered without gaps in a project: ask for those after the last you saw."""
    found = find_events(
        principal.project_id,
        job_id=job,
        types=types or (),
        after_seq=after,
        limit=limit + 1,
        sessions=container.sessions,
    )
    return page_of(found, limit=limit, cursor=lambda event: event.seq, request=request)


@router.get(
    "/stream",
    operation_id="streamEvents",
    summary="Follow events as they happen",
    description=(
        "Begins after the number in `Last-Event-ID`, else with the first event there is. With "
        "`job` it closes when that job has ended; it closes after 15 minutes in any case: resume. "
        "It closes within seconds of the key's revocation or expiry."
    ),
    status_code=200,
    response_class=EventStream,
    responses={
        200: {
            "description": "Server-sent events; the data of each is an Event",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": event_text(Event.model_validate(example_of(Event))),
                }
            },
        },
        **problems(404, 429),
    },
)
async def stream_events(
    request: Request,
    principal: Reader,
    container: Services,
    job: OfJob = None,
    types: EventTypes = None,
    last_event_id: Annotated[
        int, Header(ge=0, le=_LAST_SEQ, description="the number of the last event seen")
    ] = 0,
) -> EventStream:
    sessions = container.sessions
    if job is not None:
        await run_in_threadpool(get_job, job, project_id=principal.project_id, sessions=sessions)
    poll = _polling(principal.project_id, job=job, types=types or [], sessions=sessions)
    slots: KeySlots = request.app.state.stream_slots
    release = await slots.take(principal.key_id)
    return EventStream(poll, after_seq=last_event_id, on_close=release)


def _polling(
    project_id: str, *, job: str | None, types: list[str], sessions: Sessions
) -> Callable[[int], EventBatch]:
    def poll(after_seq: int) -> EventBatch:
        # The state is read first: the last event is written together with it, so a job that had
        # ended before the events were read has no event that these do not hold.
        over = job is not None and job_states([job], sessions=sessions).get(job) in TERMINAL
        found = find_events(
            project_id,
            job_id=job,
            types=types,
            after_seq=after_seq,
            limit=BATCH,
            sessions=sessions,
        )
        return EventBatch(found, ended=over and len(found) < BATCH)

    return poll
