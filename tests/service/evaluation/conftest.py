"""An evaluation's surroundings for tests: a prepared dataset, a store, and a model of their own."""

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from service.catalogue.catalogue import load_catalogue
from service.container import Container
from service.database import Sessions, open_sessions
from service.datasets.operations import PREPARE, run_prepare
from service.evaluation.models import Evaluation, Prediction
from service.evaluation.operations import run_evaluate
from service.evaluation.ports import CallConfig, EvaluationServices, ShardConfig
from service.files.contents import FileLimits
from service.inference.cache import CacheRules
from service.inference.governor import LocalGovernor
from service.inference.operations import shut_down
from service.inference.ports import CallLimits, Generation, GenerationRequest, Outcome, Quota
from service.jobs.ports import JobServices
from service.settings import Settings
from service.storage.local import LocalStore
from service.storage.tables import read_parquet
from tests.support.runs import MemoryRun, add_project, reserve_run
from tests.support.stored_rows import StoredRows, read_rows
from tests.support.task_messages import MemoryTaskQueue

ROWS = 40
CATALOGUE = load_catalogue()


@dataclass
class Oracle:
    """A generator that answers by the seed alone; after some calls its `run` is preempted."""

    run: MemoryRun | None = None
    requeue_after: int = 0
    asked: list[GenerationRequest] = field(default_factory=list)

    async def generate(self, request: GenerationRequest) -> Generation:
        self.asked.append(request)
        if self.run and len(self.asked) >= self.requeue_after:
            self.run.preempted = True
        text = "no" if request.seed == 0 else "yes"
        return Generation(Outcome.OK, text=text, prompt_tokens=2, output_tokens=1, synthetic=True)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Room:
    """What an evaluation needs around it, in memory and on disk."""

    sessions: Sessions
    store: LocalStore
    project_id: str
    dataset_id: str
    services: Container
    oracle: Oracle = field(default_factory=Oracle)
    cache: CacheRules | None = None
    governor: LocalGovernor = field(
        default_factory=lambda: LocalGovernor(Quota(requests_per_minute=600_000, burst_seconds=1))
    )

    def reserve(self, **spec: Any) -> MemoryRun:
        asked = {"dataset": self.dataset_id, "variant": "zero_shot", **spec}
        kind = self.services.kinds["evaluate"]
        return reserve_run(kind, asked, project_id=self.project_id, sessions=self.sessions)

    @property
    def evaluation_services(self) -> EvaluationServices:
        calls = CallConfig(
            generator=lambda _target, _project: self.oracle,
            governor=lambda _target, _project: self.governor,
            limits=lambda _target: CallLimits(in_flight=8, attempts=2, timeout_seconds=120),
            catalogue=CATALOGUE,
            cache=self.cache,
        )
        jobs = JobServices(self.services.kinds, self.sessions, MemoryTaskQueue())
        return replace(
            self.services.evaluation_services,
            sessions=self.sessions,
            store=self.store,
            calls=calls,
            shards=ShardConfig(jobs, slots=1),
        )

    def evaluate(self, run: MemoryRun) -> Evaluation:
        assert run_evaluate(run, services=self.evaluation_services) is None
        with self.sessions.reading() as session:
            return session.get_one(Evaluation, run.outputs["evaluation"])

    def stored(self, run: MemoryRun) -> list[Prediction]:
        with self.sessions.reading() as session:
            rows = session.query(Prediction).filter_by(evaluation_id=run.outputs["evaluation"])
            return list(rows)

    def table(self, evaluation: Evaluation) -> list[dict[str, Any]]:
        assert evaluation.table_key
        with self.store.open(evaluation.table_key) as stream:
            return list(read_parquet(io.BytesIO(stream.read())))


@dataclass(frozen=True)
class Prepared:
    """A dataset of a project: the run that made it, its rows, and the folder of its objects."""

    run: MemoryRun
    rows: StoredRows
    objects: Path


@pytest.fixture(scope="session")
def prepared(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Made once for all evaluations, which get copies."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copy(migrated_sqlite, folder / "test.db")
    sessions = open_sessions(f"sqlite:///{folder / 'test.db'}")
    source = {"type": "synthetic", "rows": 200, "seed": 0}
    spec = {"preset": "pii", "source": source, "train_sizes": [10], "test_size": ROWS}
    run = reserve_run(PREPARE, spec, project_id=add_project(sessions), sessions=sessions)
    run_prepare(
        run,
        sessions=sessions,
        store=LocalStore(folder / "objects"),
        limits=FileLimits(upload_bytes=1 << 20, line_bytes=1 << 16),
        google_project="",
        catalogue=CATALOGUE,
    )
    made = Prepared(run, read_rows(sessions), folder / "objects")
    sessions.close()
    return made


@pytest.fixture
def room(sessions: Sessions, tmp_path: Path, prepared: Prepared) -> Iterator[Room]:
    prepared.rows.write(sessions)
    shutil.copytree(prepared.objects, tmp_path / "objects", dirs_exist_ok=True)
    store = LocalStore(tmp_path / "objects")
    services = Container(Settings(data_dir=tmp_path, storage=f"file:{tmp_path / 'objects'}"))
    run = prepared.run
    made = Room(sessions, store, run.project_id, run.outputs["dataset"], services)
    yield made
    shut_down(made.oracle, made.governor)
