"""What crosses HTTP about jobs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.errors import TunecurveError
from service.jobs.lifecycle import State
from service.jobs.models import Job as JobRow

OutputState = Literal["creating", "ready", "failed"]

LABEL_PATTERN = r"^[a-z0-9][a-z0-9_.@() -]{0,62}$"


class Progress(BaseModel):
    model_config = ConfigDict(extra="forbid")

    done: int = Field(ge=0, description="units finished")
    total: int | None = Field(description="units in all, where known")
    unit: Literal["items", "steps", "bytes", "jobs", "percent"] = "items"
    stage: str | None = None


class Problem(BaseModel):
    """Why a job failed: the same words an HTTP answer would carry (RFC 9457)."""

    type: str
    title: str
    code: str
    detail: str
    retryable: bool
    errors: list[dict[str, str]] = []


class Job(BaseModel):
    """A piece of queued work. Its outputs' ids are known from the start."""

    object: Literal["job"] = "job"
    id: str
    project: str
    kind: str
    state: State
    reason: str | None = Field(description="why it waits; null otherwise")
    spec: dict[str, Any] = Field(description="as resolved, defaults filled in")
    outputs: dict[str, str] = Field(description="role to id, reserved at submission")
    progress: Progress
    cost: dict[str, Any] = Field(description="what it used: requests and tokens")
    error: Problem | None
    labels: dict[str, str]
    attempt: int = Field(description="how often a worker has claimed it")
    version: int = Field(description="rises with every change; the ETag")
    parent: str | None
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    finished_at: datetime | None
    links: dict[str, str]


def present_job(row: JobRow) -> Job:
    """Return a row as HTTP shows it."""
    links = {"self": f"/v1/jobs/{row.id}", "events": f"/v1/events?job={row.id}"}
    if State(row.state) not in {State.SUCCEEDED, State.FAILED, State.CANCELLED}:
        links["cancel"] = f"/v1/jobs/{row.id}/cancel"
        links["stream"] = f"/v1/events/stream?job={row.id}"
    return Job(
        id=row.id,
        project=row.project_id,
        kind=row.kind,
        state=State(row.state),
        reason=row.reason,
        spec=row.spec,
        outputs=row.outputs,
        progress=Progress.model_validate(row.progress),
        cost=row.cost,
        error=Problem.model_validate(row.error) if row.error else None,
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


def problem_of(error: TunecurveError) -> dict[str, Any]:
    """Return an error as a job row keeps it."""
    return Problem(
        type=f"urn:tunecurve:error:{error.code}",
        title=error.title,
        code=error.code,
        detail=error.message,
        retryable=error.retryable,
        errors=[
            {"pointer": fault.pointer, "code": fault.code, "message": fault.message}
            for fault in error.faults
        ],
    ).model_dump()


def event_data(row: JobRow, **more: Any) -> dict[str, Any]:
    """Return what an event tells about a job: ids and states, never rows or prompts."""
    error: Mapping[str, Any] = row.error or {}
    data = {
        "kind": row.kind,
        "state": row.state,
        "reason": row.reason,
        "outputs": row.outputs,
        "labels": row.labels,
        "parent": row.parent_id,
        "version": row.version,
        "error": {"code": error["code"]} if error else None,
    }
    return data | more


def output_state(job: State | None, *, ready: bool) -> OutputState:
    """Return how an output of a job stands: complete, still being made, or never to come."""
    if ready:
        return "ready"
    return "failed" if job in {State.FAILED, State.CANCELLED, None} else "creating"
