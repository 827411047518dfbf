"""An emulator, a proxy before it that loses things, and a prepared dataset in its bucket."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.catalogue.catalogue import load_catalogue
from service.clock import utc_now
from service.database import Sessions, open_sessions
from service.datasets.operations import PREPARE, run_prepare
from service.files.contents import FileLimits
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.jobs.paid_operations.pace import OperationPace
from service.jobs.paid_operations.sweep import poll_operations
from service.registry import Registry
from service.storage.ports import ObjectStore
from service.storage.stores import open_store
from service.tuning.curves.sweep import read_due_metrics
from service.tuning.kinds import tune_kind
from service.tuning.models import TuningRun
from service.tuning.operations import TuningServices, run_tune
from service.tuning.polls import polled_tunings
from service.tuning.ports import TuningProvider
from service.tuning.preflight.facts import Preflight
from service.tuning.providers.vertex import open_vertex
from service.webhooks.models import Event
from tests.support.emulator import EmulatorProcess, start_emulator
from tests.support.eventually import eventually
from tests.support.faulty_proxy import FaultyProxy, start_faulty_proxy
from tests.support.runs import MemoryRun, add_project, reserve_run
from tests.support.stored_rows import StoredRows, read_rows

TRAIN_SIZE = 12
PROJECT = "tunecurve-test"
LIMITS = FileLimits(upload_bytes=1 << 20, line_bytes=1 << 20)
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
    preflight: Preflight | None = None

    def step(self, *, settled: bool = False) -> object:
        """Run the job's operation once; `settled` lets the time to settle have passed."""
        return run_tune(self.run, self.services(settled=settled))

    def services(self, *, settled: bool = False) -> TuningServices:
        preflight = self.preflight
        return TuningServices(
            sessions=self.sessions,
            providers=lambda _: self.providers,
            pace=replace(self.pace, settle_seconds=-1) if settled else self.pace,
            deadline_hours=72,
            catalogue=CATALOGUE,
            most_open=self.most_open,
            store=store,
            preflight=None if preflight is None else lambda _: preflight,
        )

    def poll(self, *, settled: bool = False) -> None:
        """Run the sweep once, with every tuning due."""
        with self.sessions.transaction() as session:
            for row in session.query(TuningRun).where(TuningRun.next_poll_at.is_not(None)):
                row.next_poll_at = utc_now() - timedelta(hours=1)
        poll_operations(
            [polled_tunings(lambda _: self.providers, store=store)],
            sessions=self.sessions,
            pace=self.services(settled=settled).pace,
        )

    def read_metrics(self) -> int:
        """Read the training curves that are due; return of how many tunings.

        The next reading of one that runs is minutes away, however slow this machine is.
        """
        pace = replace(self.pace, poll_seconds=600)
        return read_due_metrics(lambda _: self.providers, sessions=self.sessions, pace=pace)

    def job(self) -> Job:
        with self.sessions.reading() as session:
            return session.get_one(Job, self.run.id)

    def events(self, type_: str) -> list[dict[str, Any]]:
        """Return the data of the job's events of a type, in order."""
        with self.sessions.reading() as session:
            found = session.query(Event).filter_by(job_id=self.run.id, type=type_)
            return [event.data for event in found.order_by(Event.seq)]

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


@dataclass
class PreparedOnce:
    """A dataset in the emulator's bucket, with the rows of its project, for many databases.

    It is prepared again once the emulator was reset, which leaves no object there.
    """

    emulator: EmulatorProcess
    database: Path
    run: MemoryRun | None = None
    rows: StoredRows | None = None
    resets: int = -1

    def write(self, sessions: Sessions) -> MemoryRun:
        """Write the rows into a database that is empty, and return the job that prepared it."""
        if self.resets != self.emulator.resets:
            self.resets = self.emulator.resets
            self._prepare()
        assert self.rows
        assert self.run
        self.rows.write(sessions)
        return replace(self.run, sessions=sessions)

    def _prepare(self) -> None:
        sessions = open_sessions(f"sqlite:///{self.database}")
        self.run = prepare(sessions, add_project(sessions), **SYNTHETIC)
        self.rows = read_rows(sessions)
        sessions.close()


@pytest.fixture(scope="module")
def prepared_once(
    emulator: EmulatorProcess, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> PreparedOnce:
    file = tmp_path_factory.mktemp("prepared") / "tunecurve.db"
    shutil.copy(migrated_sqlite, file)
    return PreparedOnce(emulator, file)


@pytest.fixture
def tuning(
    sessions: Sessions,
    prepared_once: PreparedOnce,
    proxy: FaultyProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> Tuning:
    emulator = prepared_once.emulator
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    prepared = prepared_once.write(sessions)
    return tuning_of(prepared, sessions=sessions, emulator=emulator, url=proxy.url)


def tuning_of(
    prepared: MemoryRun,
    *,
    sessions: Sessions,
    emulator: EmulatorProcess,
    url: str,
    **spec: Any,
) -> Tuning:
    """Return a `tune` job on a prepared dataset; `url` is where the provider is asked."""
    asked = {"dataset": prepared.outputs["dataset"], "train_size": TRAIN_SIZE, **spec}
    run = reserve_run(TUNE, asked, project_id=prepared.project_id, sessions=sessions)
    return tuning_of_run(run, emulator=emulator, url=url)


def tuning_of_run(run: MemoryRun, *, emulator: EmulatorProcess, url: str) -> Tuning:
    """Return a `tune` job that is in the database of its run."""
    provider: TuningProvider = open_vertex(project=PROJECT, location="us-central1", endpoint=url)
    pace = OperationPace(poll_seconds=0.1, settle_seconds=60)
    providers = Registry("provider", {"vertex": provider})
    return Tuning(run, run.sessions, providers, emulator, pace)


SYNTHETIC: dict[str, Any] = {
    "preset": "pii",
    "source": {"type": "synthetic", "rows": 120, "seed": 3},
    "train_sizes": [TRAIN_SIZE],
    "test_size": 10,
    "validation_size": 8,
}


def store() -> ObjectStore:
    return open_store("gs://tunecurve/data", project=PROJECT)


def prepare(sessions: Sessions, project_id: str, **spec: Any) -> MemoryRun:
    """Prepare a dataset in the emulator's bucket, and return its ended job."""
    run = reserve_run(PREPARE, spec, project_id=project_id, sessions=sessions)
    run_prepare(
        run,
        sessions=sessions,
        store=store(),
        limits=LIMITS,
        google_project=PROJECT,
        catalogue=CATALOGUE,
    )
    with sessions.transaction() as session:
        session.get_one(Job, run.id).state = State.SUCCEEDED.value
    return run
