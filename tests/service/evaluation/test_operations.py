"""Evaluations end to end in one process: asked once, in pieces, and scored by the majority."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from service.catalogue.catalogue import load_catalogue
from service.container import Container
from service.database import Sessions
from service.datasets.examples import Split
from service.datasets.operations import PREPARE, run_prepare
from service.datasets.queries import read_examples, ready_dataset, stream_examples
from service.evaluation.models import Evaluation, Prediction
from service.evaluation.operations import run_evaluate
from service.evaluation.plan import shots_of
from service.evaluation.prompts import VariantKind, choose_shots
from service.evaluation.request_stage import CallConfig
from service.evaluation.schemas import EvaluateSpec
from service.evaluation.sharding import ShardConfig
from service.inference.governor import LocalGovernor
from service.inference.operations import shut_down
from service.inference.pace import Quota
from service.inference.ports import CallLimits, Generation, GenerationRequest, Outcome
from service.jobs.ports import Preempted
from service.settings import Settings
from service.storage.local import LocalStore
from service.storage.tables import read_parquet
from service.tuning.operations import ready_model
from tests.support.runs import MemoryRun, add_project, reserve_run

ROWS = 40


@dataclass
class Oracle:
    """A generator that answers by the seed alone; after some calls its `run` is to give way."""

    run: MemoryRun | None = None
    requeue_after: int = 0
    asked: list[GenerationRequest] = field(default_factory=list)

    async def generate(self, request: GenerationRequest) -> Generation:
        self.asked.append(request)
        if self.run and len(self.asked) >= self.requeue_after:
            self.run.handed_back = True
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
    governor: LocalGovernor = field(
        default_factory=lambda: LocalGovernor(Quota(requests_per_minute=600_000, burst_seconds=1))
    )

    def reserve(self, **spec: Any) -> MemoryRun:
        asked = {"dataset": self.dataset_id, "variant": "zero_shot", **spec}
        kind = self.services.kinds["evaluate"]
        return reserve_run(kind, asked, project_id=self.project_id, sessions=self.sessions)

    def go(self, run: MemoryRun) -> Evaluation:
        calling = CallConfig(
            generator=lambda: self.oracle,
            governor=lambda _target: self.governor,
            limits=CallLimits(in_flight=8, attempts=2, timeout_seconds=5),
            location="us-central1",
            catalogue=load_catalogue(),
        )
        waiting = run_evaluate(
            run,
            sessions=self.sessions,
            store=self.store,
            calling=calling,
            find_model=ready_model,
            fleet=ShardConfig(self.services.jobs, slots=1),
            batching=self.services.batching,
        )
        assert waiting is None
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


@pytest.fixture
def room(sessions: Sessions, tmp_path: Path) -> Iterator[Room]:
    store = LocalStore(tmp_path / "objects")
    services = Container(Settings(data_dir=tmp_path, storage=f"file:{tmp_path / 'objects'}"))
    project_id = add_project(sessions)
    source = {"type": "synthetic", "rows": 200, "seed": 0}
    spec = {"preset": "pii", "source": source, "train_sizes": [10], "test_size": ROWS}
    run = reserve_run(PREPARE, spec, project_id=project_id, sessions=sessions)
    run_prepare(
        run,
        sessions=sessions,
        store=store,
        limits=services.file_limits,
        google_project="",
        catalogue=load_catalogue(),
    )
    made = Room(sessions, store, project_id, run.outputs["dataset"], services)
    yield made
    shut_down(made.oracle, made.governor)


def test_every_sample_is_asked_with_a_seed_of_its_own_and_the_majority_is_the_answer(
    room: Room,
) -> None:
    run = room.reserve(samples=3, temperature=0.5, seed=0)
    evaluation = room.go(run)
    assert {request.seed for request in room.oracle.asked} == {0, 1, 2}
    assert len({(row.example_id, row.sample) for row in room.stored(run)}) == 3 * ROWS
    rows = room.table(evaluation)
    assert {(row["prediction"], row["agreement"], row["samples"]) for row in rows} == {
        ("yes", 2, 3)
    }
    assert [row["position"] for row in rows] == list(range(ROWS))
    assert (evaluation.rows, evaluation.outcomes) == (ROWS, {"ok": ROWS})
    assert evaluation.usage["requests"] == len(room.oracle.asked) == 3 * ROWS
    assert run.progress[-1] == (3 * ROWS, 3 * ROWS, "scoring")


def test_a_run_that_gives_way_goes_on_later_with_what_is_missing(room: Room) -> None:
    run = room.reserve()
    room.oracle.run, room.oracle.requeue_after = run, 3
    room.governor = LocalGovernor(Quota(requests_per_minute=1200, burst_seconds=0.1))
    with pytest.raises(Preempted):
        room.go(run)
    kept = len(room.stored(run))
    assert 3 <= kept < ROWS
    assert kept == len(room.oracle.asked)
    room.oracle.run, run.handed_back = None, False
    room.governor = LocalGovernor(Quota(requests_per_minute=600_000, burst_seconds=1))
    assert room.go(run).rows == ROWS
    assert len(room.oracle.asked) == len({each.key for each in room.oracle.asked}) == ROWS


def test_the_shots_are_those_of_the_whole_training_split(room: Room) -> None:
    with room.sessions.reading() as session:
        view = ready_dataset(room.dataset_id, project_id=room.project_id, session=session)
    train = read_examples(view.examples_key, Split.TRAIN, store=room.store)
    for seed in range(3):
        spec = EvaluateSpec(dataset=view.id, variant=VariantKind.FEW_SHOT, shots=5, seed=seed)
        shots = shots_of(spec, view, store=room.store)
        assert shots == choose_shots(train, 5, seed=seed)
        assert all(shot.text and shot.references for shot in shots)


def test_examples_are_streamed_by_their_positions(room: Room) -> None:
    with room.sessions.reading() as session:
        view = ready_dataset(room.dataset_id, project_id=room.project_id, session=session)
    for split in (Split.TRAIN, Split.TEST):
        whole = read_examples(view.examples_key, split, store=room.store)
        assert list(stream_examples(view.examples_key, split, store=room.store)) == whole
        part = stream_examples(view.examples_key, split, first=3, last=9, store=room.store)
        assert list(part) == whole[3:9]
