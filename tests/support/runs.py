"""A second real implementation of JobRun, for operations run without jobs and workers."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from service.clock import utc_now
from service.database import Session, Sessions
from service.ids import Prefix, new_id
from service.jobs import repository
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.jobs.ports import JobCancelled, JobKind, Preempted, Submission
from service.projects.models import Project

_LISTS = ("buckets", "hub_datasets", "tunings", "tuning_service_accounts", "kms_keys")


@dataclass
class MemoryRun:
    """Holds its fields in memory and the database's rows in `sessions`."""

    id: str
    project_id: str
    spec: Mapping[str, Any]
    outputs: Mapping[str, str]
    sessions: Sessions
    labels: Mapping[str, str] = field(default_factory=dict)
    cancelling: bool = False
    preempted: bool = False
    progress: list[tuple[int, int | None, str]] = field(default_factory=list)
    warnings: list[str | None] = field(default_factory=list)

    def check(self) -> None:
        if self.cancelling:
            raise JobCancelled

    @property
    def root_id(self) -> str:
        return self.id

    def check_preemption(self) -> None:
        if self.preempted:
            raise Preempted

    def report(self, done: int, total: int | None, *, unit: str, stage: str = "") -> None:
        self.progress.append((done, total, stage))

    def warn(self, why: str | None) -> None:
        self.warnings.append(why)

    def conclude(self, session: Session, result: Mapping[str, Any]) -> None:
        repository.write_result(session, self.id, result=result)

    def fenced(self) -> AbstractContextManager[Session]:
        return self.sessions.transaction()


def add_project(sessions: Sessions) -> str:
    """Write a project and return its id."""
    project_id = new_id(Prefix.PROJECT)
    with sessions.transaction() as session:
        everything = {name: ["*"] for name in _LISTS}
        session.add(
            Project(id=project_id, name=project_id, event_seq=0, created_at=utc_now(), **everything)
        )
    return project_id


def reserve_run(
    kind: JobKind, spec: Mapping[str, Any], *, project_id: str, sessions: Sessions
) -> MemoryRun:
    """Write a running job with its reserved output, as a submission would, and return its run."""
    submission = Submission(
        id=new_id(Prefix.JOB),
        project_id=project_id,
        kind=kind.name,
        spec=kind.spec.model_validate(spec),
        outputs={kind.output: new_id(kind.prefix)},
    )
    stored = submission.spec.model_dump(mode="json")
    with sessions.transaction() as session:
        session.add(_job_row(submission, stored))
        session.flush()
        kind.reserve(session, submission)
    return MemoryRun(submission.id, project_id, stored, submission.outputs, sessions)


def _job_row(submission: Submission, spec: dict[str, Any]) -> Job:
    now = utc_now()
    return Job(
        id=submission.id,
        project_id=submission.project_id,
        kind=submission.kind,
        state=State.RUNNING.value,
        spec=spec,
        outputs=dict(submission.outputs),
        labels={},
        progress={},
        cost={},
        attempt=1,
        version=1,
        created_at=now,
        updated_at=now,
    )
