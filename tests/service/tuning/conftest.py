"""An emulator, a proxy before it that loses things, and a prepared dataset in its bucket."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from service.catalogue.catalogue import load_catalogue
from service.clock import utc_now
from service.database import Sessions
from service.datasets.operations import PREPARE, run_prepare
from service.files.contents import FileLimits
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.jobs.paid_operation_sweep import poll_operations
from service.jobs.paid_operations import OperationPace
from service.registry import Registry
from service.storage.ports import ObjectStore
from service.storage.stores import open_store
from service.tuning.kinds import tune_kind
from service.tuning.models import TuningRun
from service.tuning.operations import TuningServices, polled_tunings, run_tune
from service.tuning.ports import TuningProvider
from service.tuning.providers.vertex import open_vertex
from tests.support.emulator import EmulatorProcess, start_emulator
from tests.support.eventually import eventually
from tests.support.faulty_proxy import FaultyProxy, start_faulty_proxy
from tests.support.runs import MemoryRun, add_project, reserve_run

TRAIN_SIZE = 12
PROJECT = "tunecurve-test"
CATALOGUE = load_catalogue()
TUNE = tune_kind("gemini-3.1-flash-lite", catalogue=CATALOGUE)


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with start_emulator(tuning_seconds=0.1) as started:
        yield started


@pytest.fixture
def proxy(emulator: EmulatorProcess) -> Iterator[FaultyProxy]:
    with start_faulty_proxy(emulator.url) as started:
        yield started


@dataclass
class Tuning:
    """A `tune` job ready to run, and the hands to move it."""

    run: MemoryRun
    sessions: Sessions
    providers: Registry[TuningProvider]
    emulator: EmulatorProcess
    pace: OperationPace
    most_open: Mapping[str, int | None] = field(default_factory=dict)

    def step(self, *, settled: bool = False) -> object:
        """Run the job's operation once; `settled` lets the time to settle have passed."""
        return run_tune(self.run, self.services(settled=settled))

    def services(self, *, settled: bool = False) -> TuningServices:
        return TuningServices(
            sessions=self.sessions,
            providers=self.providers,
            pace=replace(self.pace, settle_seconds=-1) if settled else self.pace,
            deadline_hours=72,
            catalogue=CATALOGUE,
            most_open=self.most_open,
        )

    def poll(self, *, settled: bool = False) -> None:
        """Run the sweep once, with every tuning due."""
        with self.sessions.transaction() as session:
            for row in session.query(TuningRun).where(TuningRun.next_poll_at.is_not(None)):
                row.next_poll_at = utc_now() - timedelta(hours=1)
        poll_operations(
            [polled_tunings(lambda: self.providers)],
            sessions=self.sessions,
            pace=self.services(settled=settled).pace,
        )

    def poll_until_ended(self) -> None:
        eventually(self._poll, what="the tuning has not ended")

    def row(self) -> TuningRun:
        with self.sessions.reading() as session:
            row = session.query(TuningRun).filter_by(job_id=self.run.id).one()
            session.expunge(row)
            return row

    def tunings(self) -> list[dict[str, object]]:
        """Return what the provider has seen of this job."""
        return [
            each
            for each in self.emulator.ledger()["tunings"]
            if each["labels"].get("tunecurve-run") == self.row().id
        ]

    def _poll(self) -> bool:
        self.poll()
        return self.row().finished_at is not None


@pytest.fixture
def tuning(
    sessions: Sessions,
    emulator: EmulatorProcess,
    proxy: FaultyProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> Tuning:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    project_id = add_project(sessions)
    prepared = _prepare(sessions, project_id)
    spec = {"dataset": prepared.outputs["dataset"], "train_size": TRAIN_SIZE}
    run = reserve_run(TUNE, spec, project_id=project_id, sessions=sessions)
    provider: TuningProvider = open_vertex(
        project=PROJECT, location="us-central1", endpoint=proxy.url
    )
    pace = OperationPace(poll_seconds=0.1, settle_seconds=60)
    providers = Registry("provider", {"vertex": provider})
    return Tuning(run, sessions, providers, emulator, pace)


def _store() -> ObjectStore:
    return open_store("gs://tunecurve/data", project=PROJECT)


def _prepare(sessions: Sessions, project_id: str) -> MemoryRun:
    spec = {
        "preset": "pii",
        "source": {"type": "synthetic", "rows": 120, "seed": 3},
        "train_sizes": [TRAIN_SIZE],
        "test_size": 10,
        "validation_size": 8,
    }
    run = reserve_run(PREPARE, spec, project_id=project_id, sessions=sessions)
    run_prepare(
        run,
        sessions=sessions,
        store=_store(),
        limits=FileLimits(upload_bytes=1 << 20, line_bytes=1 << 20),
        google_project=PROJECT,
        catalogue=CATALOGUE,
    )
    with sessions.transaction() as session:
        session.get_one(Job, run.id).state = State.SUCCEEDED.value
    return run
