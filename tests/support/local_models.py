"""A sentiment of two word lists, a tiny GPT-2 made on the spot, and a service that trains it."""

import json
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from service.container import Container
from service.datasets.operations import run_prepare
from service.evaluation.models import Evaluation
from service.evaluation.operations import run_evaluate
from service.files.operations import create_file
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.settings import Settings
from service.tuning.local_tuning import run_local_tuning
from service.tuning.models import TunedModel
from tests.support.runs import MemoryRun, add_project, reserve_run

BASE = "local:tiny-gpt2"
SIZES = (50, 200, 400)
LABELS = ("bad", "good")
INSTRUCTION = "Say whether it is good or bad."
_GOOD = ["good", "great", "lovely", "superb", "happy", "fine", "excellent", "sweet"]
_BAD = ["bad", "awful", "sad", "poor", "terrible", "ugly", "dull", "rotten"]
_OTHER = tuple(
    "the film was a very and plot with people in it today really so this food place".split()  # noqa: SIM905
)

# A rate and epochs that a model which has learned nothing needs.
CLASSIFIER: dict[str, Any] = {
    "hyperparameters": {"epochs": 5},
    "local": {"learning_rate": 2e-3, "batch_size": 16, "max_length": 64},
}
WRITER: dict[str, Any] = {
    "hyperparameters": {"epochs": 6, "adapter_size": 16},
    "local": {
        "task": "causal_lm",
        "learning_rate": 5e-3,
        "batch_size": 16,
        "max_length": 64,
        "modules_to_save": ["ln_f", "wte"],
    },
}


def sentiment_rows(count: int, *, seed: int = 0) -> list[dict[str, str]]:
    """Return rows whose label one word of eight decides; the halves are about equal."""
    source, rows = random.Random(seed), dict[str, str]()  # noqa: S311  nothing secret
    while len(rows) < count:
        label = source.randrange(2)
        words = source.choices(_OTHER, k=8)
        words[source.randrange(8)] = source.choice((_BAD, _GOOD)[label])
        rows[" ".join(words)] = LABELS[label]
    return [{"text": text, "label": label} for text, label in rows.items()]


def prepare_spec(
    file_id: str, *, sizes: tuple[int, ...] = SIZES, test: int = 100
) -> dict[str, Any]:
    return {
        "preset": "classification",
        "labels": list(LABELS),
        "instruction": INSTRUCTION,
        "source": {"type": "file", "file_id": file_id},
        "train_sizes": list(sizes),
        "test_size": test,
        "validation_size": 60,
    }


def as_jsonl(rows: list[dict[str, str]]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


@cache
def tiny_base(parent: Path) -> Path:
    """Return a folder of base models with `tiny-gpt2` in it, made once a process."""
    from service.inference.local.tiny_gpt2 import make_tiny_gpt2

    texts = [f"{INSTRUCTION}\n\nText: {row['text']}\n\nAnswer:" for row in sentiment_rows(400)]
    make_tiny_gpt2(parent / "tiny-gpt2", texts, vocabulary=400, places=64)
    return parent


@dataclass
class LocalRoom:
    """A project with a dataset and a base model, on one database, in one process."""

    services: Container
    project_id: str
    dataset_id: str

    def reserve(self, kind: str, **spec: Any) -> MemoryRun:
        return reserve_run(
            self.services.kinds[kind],
            {"dataset": self.dataset_id, **spec},
            project_id=self.project_id,
            sessions=self.services.sessions,
        )

    def reserve_tuning(self, **spec: Any) -> MemoryRun:
        asked = {"provider": "local", "base_model": BASE, "train_size": SIZES[-1], **spec}
        return self.reserve("tune", **asked)

    def train(self, run: MemoryRun) -> TunedModel:
        run_local_tuning(run, self.services.local_tuning)
        return self.model(run)

    def model(self, run: MemoryRun) -> TunedModel:
        with self.services.sessions.reading() as session:
            return session.get_one(TunedModel, run.outputs["model"])

    def evaluate(self, **spec: Any) -> tuple[Evaluation, dict[str, float]]:
        """Run an evaluation; return it with its scores by metric."""
        from service.evaluation.queries import get_evaluation

        run = self.reserve("evaluate", **spec)
        assert run_evaluate(run, services=self.services.evaluation_services) is None
        row, scores = get_evaluation(
            run.outputs["evaluation"], project_id=self.project_id, sessions=self.services.sessions
        )
        return row, {each.metric: each.value or 0.0 for each in scores}


@contextmanager
def open_local_room(folder: Path, *, migrated: Path) -> Iterator[LocalRoom]:
    """Yield a room on SQLite with a dataset of the sentiment of two word lists."""
    pytest.importorskip("torch", reason="the extra `local` is not installed")
    shutil.copy(migrated, folder / "test.db")
    settings = Settings(
        data_dir=folder,
        database_url=f"sqlite:///{folder / 'test.db'}",
        storage=f"file:{folder / 'objects'}",
        local_models=str(tiny_base(folder / "models")),
        local_threads=1,
        vertex_endpoint="http://127.0.0.1:9",  # nothing answers there: local models need nothing
    )
    services = Container(settings)
    project_id = add_project(services.sessions)
    file = create_file(
        [as_jsonl(sentiment_rows(700))],
        name="rows.jsonl",
        format="jsonl",
        digest=None,
        project_id=project_id,
        sessions=services.sessions,
        store=services.store,
        limits=services.file_limits,
    )
    run = reserve_run(
        services.kinds["prepare"],
        prepare_spec(file.id),
        project_id=project_id,
        sessions=services.sessions,
    )
    run_prepare(
        run,
        sessions=services.sessions,
        store=services.store,
        limits=services.ingestion_limits,
        google_project="",
        catalogue=services.catalogue,
    )
    with services.sessions.transaction() as session:
        session.get_one(Job, run.id).state = State.SUCCEEDED.value
    yield LocalRoom(services, project_id, run.outputs["dataset"])
    services.close()
