"""A `tune` job as workers see it through that may die, stand still or be cut off at every step.

All of it is the service's own: claims and leases, the tuning with Google's client, the sweep of
providers, cancels. Only time is made: what it would bring is brought at once.
"""

import contextlib
import copy
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property, partial
from typing import Any

from service.container import Container
from service.database import Session, database_now
from service.errors import Conflict
from service.jobs.claims import claim_job
from service.jobs.leases import LeasedRun
from service.jobs.lifecycle import OPEN, State
from service.jobs.models import Job, ProviderCircuit
from service.jobs.operations import Request, cancel_job, submit_job
from service.jobs.paid_operations.states import FoundOperation
from service.jobs.paid_operations.sweep import poll_operations
from service.jobs.ports import JobRun, Waiting
from service.jobs.sweeps import wake_due
from service.registry import Registry
from service.storage.gcs import GcsStore
from service.task_queue import TaskQueue
from service.tuning.models import TunedModel, TuningRun
from service.tuning.operations import run_tune
from service.tuning.polls import polled_tunings
from service.tuning.ports import TuningProvider, TuningRequest
from service.tuning.providers.vertex import VertexTuning
from service.tuning.schemas import TuneSpec
from tests.support.faulty_proxy import FaultyProxy
from tests.support.operation_ledger import KilledError, Steps
from tests.support.task_messages import MemoryTaskQueue
from workers.job_task import Ending

PASSES = timedelta(seconds=100)  # longer than a lease, a pause and the time to settle
_NEVER = 10_000  # claims: a job is killed more often than a service would let it be
_LEASE_SECONDS, _MOST_SECONDS = 60, 120


class CrashServices(Container):
    """The service's own adapters, but for messages: workers are given what to run."""

    @cached_property
    def task_queue(self) -> TaskQueue:
        return MemoryTaskQueue()

    @cached_property
    def bucket(self) -> GcsStore:
        return GcsStore(self.settings.resolved_storage.removeprefix("gs://"), "", project="crash")


class SteppedStore:
    """The emulator's bucket, for a worker that may die before each call."""

    def __init__(self, store: GcsStore, step: Callable[[], None]) -> None:
        self._store, self._step = store, step

    def copy(self, key: str, to: str) -> str:
        self._step()
        return self._store.copy(key, to)

    def keys_below(self, folder: str) -> list[str]:
        self._step()
        return self._store.keys_below(folder)

    def delete(self, key: str) -> None:
        self._step()
        self._store.delete(key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class CutVertex(VertexTuning):
    """Google's client, behind a proxy that loses or delays what is sent or answered by `chance`."""

    proxy: FaultyProxy
    chance: random.Random
    step: Callable[[], None] = staticmethod(lambda: None)

    def stepping(self, step: Callable[[], None]) -> "CutVertex":
        """Return the same client for a worker that may die before each call."""
        stepped = copy.copy(self)
        stepped.step = step
        return stepped

    def submit(self, request: TuningRequest) -> str:
        self.step()
        self._deliver()
        match self.chance.randrange(9):
            case 0:
                self.proxy.lose_next("answer")
            case 1:
                self.proxy.lose_next("request")
            case 2:
                self.proxy.answer_next("POST", self.chance.choice([404, 408, 409, 499, 500, 503]))
            case 3:
                self.proxy.lose_next("late")
            case _:
                pass
        try:
            return super().submit(request)
        finally:
            self._deliver()

    def find(self, run_id: str) -> Sequence[FoundOperation]:
        self.step()
        if self.chance.random() < 0.2:  # noqa: PLR2004
            self.proxy.answer_next("GET", self.chance.choice([429, 500, 503]))
        self._deliver()
        return super().find(run_id)

    def _deliver(self) -> None:
        """Let what came late come now, perhaps."""
        if self.chance.random() < 0.3:  # noqa: PLR2004
            self.proxy.deliver_late()

    def cancel(self, resource_name: str) -> None:
        self.step()
        super().cancel(resource_name)


class SteppedRun(LeasedRun):
    """A worker's run, with a step before each transaction; its lease is not renewed."""

    steps: Steps

    @contextmanager
    def fenced(self) -> Iterator[Session]:
        self.steps.take()
        with super().fenced() as session:
            yield session


@dataclass
class CrashWorld:
    """One `tune` job, and the workers, the sweep and the client that deal with it."""

    services: CrashServices
    project_id: str
    dataset: str
    train_size: int
    vertex: CutVertex
    job_id: str = field(init=False)

    def __post_init__(self) -> None:
        spec = {"dataset": self.dataset, "train_size": self.train_size, "fresh": True}
        request = Request(
            kind="tune",
            spec=TuneSpec.model_validate(spec | {"hyperparameters": {"epochs": 1}}),
            labels={},
            project_id=self.project_id,
        )
        job, _ = submit_job(request, services=self.services.jobs, open_jobs_limit=_NEVER)
        self.job_id = job.id

    def work(self, steps: Steps) -> None:
        """Be a worker that runs the job whenever it may, until it has ended or the worker dies."""
        ends_at = time.monotonic() + _MOST_SECONDS
        while self.is_open and time.monotonic() < ends_at:
            self._claim_and_run(steps)
            self.let_time_pass()

    def _claim_and_run(self, steps: Steps) -> None:
        lease = {"sessions": self.services.sessions, "lease_seconds": _LEASE_SECONDS}
        claimed = claim_job(self.job_id, **lease, attempts_limit=_NEVER)
        if claimed is not None:
            run = SteppedRun(*claimed, **lease)
            run.steps = steps
            Ending(*claimed, self.services).record(run, partial(self._tune, steps=steps))

    def _tune(self, run: JobRun, services: Container, *, steps: Steps) -> Waiting | None:
        store = SteppedStore(self.services.bucket, steps.take)
        stepped = replace(
            services.tuning,
            providers=lambda _project_id: self._registry(self.vertex.stepping(steps.take)),
            store=lambda: store,
            preflight=None,
        )
        return run_tune(run, stepped)

    def _registry(self, provider: TuningProvider) -> Registry[TuningProvider]:
        return Registry("tuning provider", {"vertex": provider})

    def be_killed(self, at: int) -> None:
        """Be a worker whose process is gone at a step, unless it has ended before."""
        with contextlib.suppress(KilledError):
            self.work(Steps(at))

    def freeze(self, at: int) -> None:
        """Stand still at a step until another worker has ended the job, then continue."""
        self.work(Steps(at, self.finish))

    def finish(self) -> None:
        """Be the workers that take the job over and end it."""
        self.let_time_pass()
        self.work(Steps())

    def cancel(self) -> None:
        with contextlib.suppress(Conflict):  # it has ended
            cancel_job(self.job_id, project_id=self.project_id, services=self.services.jobs)

    def let_time_pass(self) -> None:
        """Bring what time brings: leases, pauses and settling are over, the sweep looks."""
        sessions = self.services.sessions
        with sessions.transaction() as session:
            now = database_now(session)
            job = session.get_one(Job, self.job_id)
            job.lease_until = job.lease_until and job.lease_until - PASSES
            for circuit in session.query(ProviderCircuit):
                circuit.open_until = circuit.open_until and circuit.open_until - PASSES
            for row in session.query(TuningRun).filter_by(job_id=self.job_id):
                row.intended_at -= PASSES
                row.next_poll_at = row.next_poll_at and row.next_poll_at - PASSES
                row.reconcile_at = row.reconcile_at and row.reconcile_at - PASSES
        table = polled_tunings(lambda _: self._registry(self.vertex), store=self._bucket)
        poll_operations([table], sessions=sessions, pace=self.services.pace)
        wake_due(now + PASSES, sessions=sessions)

    def _bucket(self) -> GcsStore:
        return self.services.bucket

    @property
    def is_open(self) -> bool:
        return State(self.job().state) in OPEN

    def job(self) -> Job:
        with self.services.sessions.reading() as session:
            return session.get_one(Job, self.job_id)

    def tuning(self) -> TuningRun | None:
        with self.services.sessions.reading() as session:
            return session.query(TuningRun).filter_by(job_id=self.job_id).one_or_none()

    def model(self) -> TunedModel:
        with self.services.sessions.reading() as session:
            return session.query(TunedModel).filter_by(job_id=self.job_id).one()
