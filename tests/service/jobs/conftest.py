"""A project, and a kind of job whose output is nothing but its id."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from service.database import Session, Sessions, open_sessions
from service.ids import Prefix
from service.jobs.claims import claim_job
from service.jobs.models import Job
from service.jobs.operations import Request, submit_job
from service.jobs.ports import JobKind, JobServices, Submission
from service.projects.operations import ensure_project
from service.task_queue import Queue
from tests.support.operation_world import LateSessions
from tests.support.runs import add_project
from tests.support.task_messages import MemoryTaskQueue


class CountSpec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    upto: int = 3


def reserve_nothing(_session: Session, _submission: Submission) -> None:
    """The output of these jobs has no row."""


KINDS = {
    "count": JobKind(
        name="count",
        spec=CountSpec,
        output="dataset",
        prefix=Prefix.DATASET,
        queue=Queue.PREPARE,
        task="tests.count",
        reserve=reserve_nothing,
    )
}


@dataclass
class Jobs:
    """The jobs room with its collaborators already named."""

    sessions: Sessions
    project_id: str
    task_queue: MemoryTaskQueue

    @property
    def services(self) -> JobServices:
        return JobServices(KINDS, self.sessions, self.task_queue)

    def submit(
        self, *, key: str | None = None, upto: int = 3, labels: dict[str, str] | None = None
    ) -> tuple[Job, bool]:
        request = Request(
            kind="count",
            spec=CountSpec(upto=upto),
            labels=labels or {},
            project_id=self.project_id,
            idempotency_key=key,
        )
        return submit_job(
            request,
            services=self.services,
            open_jobs_limit=100,
        )

    def claim(
        self, job_id: str, *, lease_seconds: float = 30, attempts_limit: int = 5
    ) -> tuple[Job, str] | None:
        return claim_job(
            job_id,
            sessions=self.sessions,
            lease_seconds=lease_seconds,
            attempts_limit=attempts_limit,
        )


@pytest.fixture
def jobs(sessions: Sessions) -> Jobs:
    project_id = ensure_project("default", sessions=sessions)
    return Jobs(sessions, project_id, MemoryTaskQueue())


@pytest.fixture(scope="module")
def database(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LateSessions, str]]:
    """One SQLite file for all worlds: there are hundreds."""
    file = tmp_path_factory.mktemp("worlds") / "tunecurve.db"
    shutil.copy(migrated_sqlite, file)
    opened = LateSessions(open_sessions(f"sqlite:///{file}").engine)
    yield opened, add_project(opened)
    opened.close()
