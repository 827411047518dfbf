"""Ours: an evaluation on a real fleet, measured from outside its processes."""

import json
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil
from sqlalchemy import text

from service.jobs.models import Job
from service.migrations.upgrade import upgrade
from tests.support.fleet import FleetProcess
from tests.support.postgres import start_postgres
from tests.support.stack import Stack, start_stack

SAMPLE_SECONDS = 0.1
_SETTINGS = {"cache_days": "0"}  # a round must not profit from another
TEMPLATE = {"instruction": "Repeat.", "text": "{{text}}", "target": "{{target}}"}


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds and the peak of the largest worker process, in MB."""

    cpu_seconds: float
    rss_mb: float


@dataclass
class House:
    """A stack with evaluate workers of one slot each."""

    stack: Stack
    workers: list[FleetProcess]

    def dataset(self, prompts: Sequence[str]) -> str:
        """Prepare a test split as large as these prompts; return the dataset's id.

        The split is drawn from them and some more like them, of which no other dataset has any.
        """
        # More than a tenth, which the test split may keep for rows to come.
        spare = [
            f"{prompts[number % len(prompts)]} spare {number}"
            for number in range(40 + len(prompts) // 4)
        ]
        rows = [json.dumps({"text": words, "target": "ok"}) for words in [*prompts, *spare]]
        content = "\n".join(rows).encode()
        file_id = self.stack.upload(content, name="rows.jsonl", file_format="jsonl")
        spec = {
            "preset": "generic",
            "template": TEMPLATE,
            "source": {"type": "file", "file_id": file_id},
            "train_sizes": [10],
            "test_size": len(prompts),
            "near_duplicates": None,  # prompts that differ by a number are meant to be there
        }
        job = self.stack.succeeded(self.stack.submit("prepare", spec).id, seconds=600)
        return job.outputs["dataset"]

    def warm_up(self) -> None:
        """Let every worker import what it needs: seconds of a process's life, not of a run."""
        dataset = self.dataset([f"warm up {number}" for number in range(20)])
        jobs = [self.evaluate(dataset, seed=seed) for seed in range(2 * len(self.workers))]
        for job in jobs:
            self.stack.succeeded(job.id, seconds=300)

    def evaluate(self, dataset: str, **more: Any) -> Job:
        spec = {"dataset": dataset, "variant": "zero_shot", "metrics": ["exact_match"], **more}
        return self.stack.submit("evaluate", spec)

    def span(self, job: Job) -> float:
        """Return the seconds from the job's first claim to the storing of its last answer."""
        query = text(
            "SELECT max(prediction.created_at), min(job.started_at) FROM prediction, job"
            " WHERE prediction.evaluation_id = :evaluation AND job.id = :job"
        )
        keys = {"evaluation": job.outputs["evaluation"], "job": job.id}
        with self.stack.services.sessions.reading() as session:
            last, first = session.execute(query, keys).one()
        seconds: float = (_moment(last) - _moment(first)).total_seconds()
        return seconds

    def doubled(self, job: Job) -> int:
        """Return how many answers are stored beyond one for each row and sample."""
        query = text(
            "SELECT count(*) FROM (SELECT 1 FROM prediction WHERE evaluation_id = :evaluation"
            " GROUP BY example_id, sample HAVING count(*) > 1) AS doubled"
        )
        keys = {"evaluation": job.outputs["evaluation"]}
        with self.stack.services.sessions.reading() as session:
            return int(session.execute(query, keys).scalar_one())

    def outcomes(self, job: Job) -> Mapping[str, int]:
        query = text(
            "SELECT outcome, count(*) FROM prediction WHERE evaluation_id = :evaluation"
            " GROUP BY outcome"
        )
        keys = {"evaluation": job.outputs["evaluation"]}
        with self.stack.services.sessions.reading() as session:
            return {str(outcome): int(count) for outcome, count in session.execute(query, keys)}


def _moment(value: Any) -> Any:
    """SQLite hands times back as text."""
    from datetime import datetime

    return datetime.fromisoformat(value) if isinstance(value, str) else value


@contextmanager
def open_house(
    settings: Mapping[str, str], *, workers: int = 1, postgresql: bool = False
) -> Iterator[House]:
    """Yield a running fleet; `settings` are Tunecurve's, without their prefix."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder / 'bench.db'}"
        if postgresql:
            server = stack.enter_context(start_postgres())
            upgrade(server.template_url)
            url = stack.enter_context(server.database())
        else:
            upgrade(url)
        running = stack.enter_context(
            start_stack(
                folder,
                url,
                afresh=True,  # memory and computing are measured
                settings=_SETTINGS | {"evaluate_slots": str(workers)} | dict(settings),
            )
        )
        running.fleet.start_ticker()
        running.fleet.start_worker("prepare,tune,poll,experiment,notify", name="general")
        fleet = [
            running.fleet.start_worker("evaluate", concurrency=1, name=f"evaluate{number}")
            for number in range(workers)
        ]
        house = House(running, fleet)
        house.warm_up()
        yield house


class Meter:
    """CPU and memory of the workers' processes while the block runs."""

    def __init__(self, workers: Sequence[FleetProcess]) -> None:
        self._workers = workers
        self._peak = 0.0
        self._cpu: dict[int, float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._sample()
        self._first = sum(self._cpu.values())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._sample()

    def usage(self) -> Usage:
        return Usage(sum(self._cpu.values()) - self._first, self._peak)

    def _watch(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        for worker in self._workers:
            for process in _family(worker.pid):
                try:
                    times, memory = process.cpu_times(), process.memory_info().rss
                except psutil.Error:
                    continue  # it has just ended; its last sample stands
                self._cpu[process.pid] = times.user + times.system
                self._peak = max(self._peak, memory / 1e6)


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def until(condition: Any, *, seconds: float = 600) -> None:
    """Wait for what must come; raises TimeoutError when it does not."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError("what the bench waits for has not come")
        time.sleep(0.05)
