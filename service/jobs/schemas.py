"""What crosses HTTP about jobs."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from service.errors import TunecurveError
from service.jobs.lifecycle import TERMINAL, Reason, State
from service.money import AMOUNT_PATTERN, CURRENCY, dollars, dollars_or_none, parse_dollars

if TYPE_CHECKING:  # the subprocess of a preview does without the database
    from service.jobs.ports import JobRecord

OutputState = Literal["creating", "ready", "failed"]

LABEL_PATTERN = r"^[a-z0-9][a-z0-9_.@() -]{0,62}$"


class Progress(BaseModel):
    model_config = ConfigDict(extra="forbid")

    done: int = Field(ge=0, description="units finished")
    total: int | None = Field(description="units in all, where known")
    unit: Literal["items", "steps", "epochs", "bytes", "jobs", "percent"] = "items"
    stage: str | None = None
    eta: datetime | None = Field(
        default=None, description="when it will be done at the pace so far; null if not known"
    )


class Budget(BaseModel):
    """What a job may spend with all its children; calls in flight at the end are paid for too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: str = Field(
        pattern=AMOUNT_PATTERN,
        description="dollars above 0 with up to nine decimals",
        examples=["1.50"],
    )
    currency: Literal["USD"] = CURRENCY

    @field_validator("amount")
    @classmethod
    def _is_positive(cls, amount: str) -> str:
        if not parse_dollars(amount):
            message = "a budget is more than 0"
            raise ValueError(message)
        return amount


class Cost(BaseModel):
    """What a job has used so far, its children included; money as decimal strings."""

    requests: int = Field(default=0, description="calls that were answered")
    prompt_tokens: int = Field(default=0, description="those the provider had cached included")
    output_tokens: int = Field(default=0, description="thoughts included")
    thinking_tokens: int = 0
    cached_tokens: int = Field(default=0, description="of the prompt")
    training_tokens: int = Field(default=0, description="once for each epoch")
    hedged: int = Field(
        default=0, description="calls sent beside `requests`, which may be billed beside `actual`"
    )
    currency: Literal["USD"] = CURRENCY
    estimated: str | None = Field(default=None, description="at submission; null where unknown")
    reserved: str | None = Field(
        default=None, description="of the budget, for work under way; null without a budget"
    )
    actual: str | None = Field(
        default=None, description="by the price catalogue; null where a model has no price"
    )
    known: str | None = Field(
        default=None, description="the part that has a price; null in a job that ended before this"
    )
    uncounted: str | None = Field(
        default=None,
        description="the part of `known` that is estimated, as the provider gave no token counts, "
        "or no answer to a call that was sent; null in a job that ended before this",
    )
    unpriced: list[str] = Field(default=[], description="base models used that have no price")
    synthetic: bool = Field(
        default=False, description="of the emulator: these amounts are not billed"
    )


class ProblemFault(BaseModel):
    """One thing wrong: `pointer` is a JSON pointer into the body, or a parameter's name."""

    pointer: str
    code: str
    message: str


class JobError(BaseModel):
    """Why a job or its latest attempt failed: a problem document (RFC 9457) without a status."""

    type: str
    title: str
    code: str
    detail: str
    retryable: bool = Field(description="the same job may succeed when it is submitted again")
    errors: list[ProblemFault] = []
    attempt: int | None = Field(
        default=None,
        description="of a job that is tried again: which attempt in a row without progress this "
        "was; null where it does not count as one",
    )
    attempts_limit: int | None = Field(
        default=None, description="after so many attempts in a row without progress the job fails"
    )


class Job(BaseModel):
    """A piece of queued work. Its outputs' ids are known from the start."""

    object: Literal["job"] = "job"
    id: str
    project: str
    kind: str
    state: State
    reason: str | None = Field(description="why it waits, or what holds it up while it runs")
    resume_at: datetime | None = Field(description="when it looks again by itself, if it waits")
    place: int | None = Field(
        default=None,
        description="its place in the line, where it waits for a quota of tunings at once; 1 goes "
        "next",
    )
    spec: dict[str, Any] = Field(description="as resolved, defaults filled in")
    outputs: dict[str, str] = Field(description="role to id, reserved at submission")
    result: dict[str, Any] | None = Field(
        description="in short what it found out: an experiment's answer; null for other kinds"
    )
    progress: Progress
    cost: Cost
    budget: Budget | None
    error: JobError | None = Field(
        description="why it failed; of an open job why its latest attempt did: it is tried again "
        "at `resume_at`"
    )
    labels: dict[str, str]
    attempt: int = Field(description="how often a worker has claimed it")
    version: int = Field(description="rises with every change; the ETag")
    parent: str | None
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    finished_at: datetime | None
    links: dict[str, str]


def initial_cost(
    *, budget_nano: int | None = None, estimated_nano: int | None = None
) -> dict[str, Any]:
    """Return what the row of a job that has used nothing keeps about money."""
    nothing = dollars(0)
    cost = Cost(
        estimated=dollars_or_none(estimated_nano),
        actual=nothing,
        known=nothing,
        uncounted=nothing,
        reserved=None if budget_nano is None else nothing,
    )
    return {**cost.model_dump(), "budget": dollars_or_none(budget_nano)}


def present_job(
    row: "JobRecord", *, cost: Mapping[str, Any] | None = None, place: int | None = None
) -> Job:
    """Return a row as HTTP shows it; `cost` is newer than what the row keeps, `place` is that in
    the line of a quota.
    """
    links = {"self": f"/v1/jobs/{row.id}", "events": f"/v1/events?job={row.id}"}
    if State(row.state) not in TERMINAL:
        links["cancel"] = f"/v1/jobs/{row.id}/cancel"
        links["stream"] = f"/v1/events/stream?job={row.id}"
    if row.state == State.WAITING and row.reason == Reason.APPROVAL:
        links["approve"] = f"/v1/jobs/{row.id}/approve"
    return Job(
        id=row.id,
        project=row.project_id,
        kind=row.kind,
        state=State(row.state),
        reason=row.reason,
        resume_at=row.next_run_at if row.state == State.WAITING else None,
        place=place if row.state == State.WAITING else None,
        spec=row.spec,
        outputs=row.outputs,
        result=row.result,
        progress=Progress.model_validate(row.progress),
        cost=Cost.model_validate({**row.cost, **(cost or {})}),
        budget=Budget(amount=row.cost["budget"]) if row.cost.get("budget") else None,
        error=JobError.model_validate(row.error) if row.error else None,
        labels=row.labels,
        attempt=row.attempt,
        version=row.version,
        parent=row.parent_id,
        created_at=row.created_at,
        started_at=row.started_at,
        updated_at=row.updated_at,
        finished_at=row.finished_at,
        links=links,
    )


def problem_of(
    error: TunecurveError, *, attempt: int | None = None, attempts_limit: int | None = None
) -> dict[str, Any]:
    """Return an error as a job row keeps it."""
    return JobError(
        type=f"urn:tunecurve:error:{error.code}",
        title=error.title,
        code=error.code,
        detail=error.message,
        retryable=error.retryable,
        errors=[
            ProblemFault(pointer=fault.pointer, code=fault.code, message=fault.message)
            for fault in error.faults
        ],
        attempt=attempt,
        attempts_limit=attempts_limit,
    ).model_dump()


def event_data(row: "JobRecord", **more: Any) -> dict[str, Any]:
    """Return what an event holds of a job: ids and states, never rows or prompts."""
    error: Mapping[str, Any] = row.error or {}
    data = {
        "kind": row.kind,
        "state": row.state,
        "reason": row.reason,
        "outputs": row.outputs,
        "result": row.result,
        "labels": row.labels,
        "parent": row.parent_id,
        "version": row.version,
        "error": {"code": error["code"]} if error and row.state == State.FAILED else None,
    }
    if State(row.state) in TERMINAL:
        data["cost"] = Cost.model_validate(row.cost).model_dump()
    return data | more


def output_state(job: State | None, *, ready: bool) -> OutputState:
    """Return how an output of a job stands: complete, still being made, or never to come."""
    if ready:
        return "ready"
    return "failed" if job in {State.FAILED, State.CANCELLED, None} else "creating"
