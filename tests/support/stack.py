"""The whole back end for tests: Redis, emulator, database, workers and ticker, all real."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from service.container import Container
from service.experiments.queries import get_experiment
from service.experiments.variant_view import VariantView
from service.files.operations import create_file
from service.jobs.lifecycle import OPEN, State
from service.jobs.models import Job
from service.jobs.operations import Request, cancel_job, submit_job
from service.jobs.queries import children_of, get_job
from service.projects.operations import ensure_project
from service.settings import Settings
from service.webhooks.event_log import list_events
from service.webhooks.schemas import Event
from tests.support.emulator import EmulatorProcess, start_emulator
from tests.support.eventually import PATIENCE_SECONDS, eventually
from tests.support.fleet import FleetProcess, ProcessFleet, start_fleet
from tests.support.redis import RedisServer, start_redis

GENERAL = "prepare,tune,poll,experiment,notify"


@dataclass
class Stack:
    """One project's view of a running fleet."""

    services: Container
    project_id: str
    redis: RedisServer
    emulator: EmulatorProcess
    fleet: ProcessFleet
    workers: list[FleetProcess] = field(default_factory=list)
    _before: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        self.fleet.start_ticker()
        self.start_workers()

    def start_workers(self) -> None:
        self.workers = [
            self.fleet.start_worker(GENERAL, name="general"),
            self.fleet.start_worker("evaluate", name="evaluate"),
        ]

    def mark(self) -> None:
        """From now on `spent` counts from zero, whatever earlier tests have asked for."""
        self._before = self.emulator.ledger()

    def spent(self, counter: str) -> int:
        """Return how far a counter of the emulator's ledger has risen since `mark`."""
        return int(self.emulator.ledger()[counter]) - int(self._before.get(counter, 0))

    def new_tunings(self) -> list[dict[str, Any]]:
        known = {tuning["name"] for tuning in self._before.get("tunings", [])}
        tunings = self.emulator.ledger()["tunings"]
        return [tuning for tuning in tunings if tuning["name"] not in known]

    def submit(
        self, kind: str, spec: Mapping[str, Any], *, budget_nano: int | None = None, **labels: str
    ) -> Job:
        request = Request(
            kind=kind,
            spec=self.services.kinds[kind].spec.model_validate(spec),
            labels=labels,
            project_id=self.project_id,
            budget_nano=budget_nano,
        )
        job, _ = submit_job(
            request,
            services=self.services.jobs,
            open_jobs_limit=100,
        )
        return job

    def upload(self, content: bytes, *, name: str, file_format: str) -> str:
        row = create_file(
            [content],
            name=name,
            format=file_format,
            digest=None,
            project_id=self.project_id,
            sessions=self.services.sessions,
            store=self.services.store,
            limits=self.services.file_limits,
        )
        return row.id

    def start_emulator_again(self, **config: Any) -> None:
        """After `emulator.kill`: bring it back with its buckets and tunings."""
        self.emulator.start_again(self.fleet.folder / "emulator", **config)

    def events(self, job_id: str) -> list[Event]:
        """Return the events of a job, oldest first."""
        return list_events(
            self.project_id, job_id=job_id, limit=1000, sessions=self.services.sessions
        )

    def job(self, job_id: str) -> Job:
        return get_job(job_id, project_id=self.project_id, sessions=self.services.sessions)

    def children(self, job_id: str) -> Sequence[Job]:
        return children_of(job_id, sessions=self.services.sessions)

    def cancel(self, job_id: str) -> Job:
        return cancel_job(
            job_id,
            project_id=self.project_id,
            services=self.services.jobs,
        )

    def ended(self, job_id: str, *, seconds: float = PATIENCE_SECONDS) -> Job:
        """Wait for a job to end, whatever the end."""
        eventually(
            lambda: State(self.job(job_id).state) not in OPEN,
            seconds=seconds,
            pause=0.2,
            what=f"{job_id} has not ended",
        )
        return self.job(job_id)

    def succeeded(self, job_id: str, *, seconds: float = PATIENCE_SECONDS) -> Job:
        job = self.ended(job_id, seconds=seconds)
        ends = [(each.kind, each.state, each.error) for each in self.children(job_id)]
        assert job.state == State.SUCCEEDED, f"{job.error} {ends}"
        return job

    def variants(self, job: Job) -> dict[str, VariantView]:
        _, views = get_experiment(
            job.outputs["experiment"],
            project_id=self.project_id,
            sessions=self.services.sessions,
        )
        return {view.name: view for view in views}


@contextlib.contextmanager
def start_stack(
    folder: Path,
    database_url: str,
    *,
    settings: Mapping[str, str] | None = None,
    afresh: bool = False,
) -> Iterator[Stack]:
    """Yield a stack whose processes are not started yet; `settings` are without their prefix."""
    with (
        start_redis() as redis,
        start_emulator(folder / "emulator") as emulator,
        pytest.MonkeyPatch.context() as monkeypatch,
    ):
        env = {
            "TUNECURVE_DATA_DIR": str(folder),
            "TUNECURVE_DATABASE_URL": database_url,
            "TUNECURVE_REDIS_URL": redis.url,
            "TUNECURVE_STORAGE": "gs://tunecurve/data",
            "TUNECURVE_VERTEX_ENDPOINT": emulator.url,
            "TUNECURVE_GOOGLE_CLOUD_PROJECT": "tunecurve-test",
            "TUNECURVE_MASTER_KEY": "a master key for tests only",
            "TUNECURVE_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
            "TUNECURVE_POLL_SECONDS": "0.5",
            "TUNECURVE_SETTLE_SECONDS": "3",
            "TUNECURVE_LEASE_SECONDS": "5",
            "TUNECURVE_REDISPATCH_SECONDS": "4",
            "TUNECURVE_TICKER_SECONDS": "0.2",
            "TUNECURVE_REQUESTS_PER_MINUTE": "12000",
            "TUNECURVE_CALL_ATTEMPTS": "4",
            # Importing what counts takes each stack seconds; `tunecurve demo` counts, in its tests.
            "TUNECURVE_COUNT_TOKENS": "false",
            "STORAGE_EMULATOR_HOST": emulator.url,
            **{f"TUNECURVE_{name.upper()}": value for name, value in (settings or {}).items()},
        }
        for name in [name for name in os.environ if name.startswith("TUNECURVE_")]:
            monkeypatch.delenv(name)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        services = Container(Settings())
        project_id = ensure_project("default", sessions=services.sessions)
        with start_fleet(folder, env, afresh=afresh) as fleet:
            yield Stack(services, project_id, redis, emulator, fleet)
        services.close()
