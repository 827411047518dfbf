"""A source in shards: one dataset however many there are, and no file left behind."""

import csv
import io
import json
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from service.clock import utc_now
from service.database import Sessions, open_sessions
from service.datasets.models import Dataset
from service.datasets.operations import DRAFT, PREPARE, purge_shard_files, run_draft, run_prepare
from service.datasets.queries import get_dataset
from service.datasets.schemas import PrepareSpec
from service.datasets.sharding.shard_conversion import _SUMMARY
from service.datasets.sharding.shard_files import converted_key, sharded_sources
from service.datasets.sharding.shard_jobs import SourceShardConfig
from service.errors import TunecurveError, Unavailable
from service.jobs.claims import claim_job, finish_job, park_job, requeue_job
from service.jobs.leases import LeasedRun
from service.jobs.lifecycle import OPEN, Reason, State
from service.jobs.models import Job
from service.jobs.operations import Request, cancel_job, submit_job
from service.jobs.ports import JobCancelled, JobServices
from service.jobs.queries import children_of, get_job, list_jobs
from service.jobs.sweeps import wake_due
from service.storage.local import LocalStore
from service.storage.ports import StoredObject
from service.webhooks.event_log import list_events
from tests.service.datasets.preparation import CATALOGUE, LIMITS, upload
from tests.support.runs import add_project
from tests.support.task_messages import MemoryTaskQueue

KINDS = {"prepare": PREPARE, "draft": DRAFT}


class FailingStore(LocalStore):
    """A folder that becomes unavailable after a number of objects were put."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.puts_left = 1_000_000

    def put_file(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        self.puts_left -= 1
        if self.puts_left < 0:
            raise Unavailable("the store is away", code="storage_unavailable")
        return super().put_file(key, path, content_type=content_type)


@dataclass
class Workers:
    """The workers of one process: they claim, run and end jobs as task messages come."""

    sessions: Sessions
    store: FailingStore
    project_id: str
    queue: MemoryTaskQueue = field(default_factory=MemoryTaskQueue)
    shard_rows: int = 0
    retries: int = 0

    @property
    def jobs(self) -> JobServices:
        return JobServices(KINDS, self.sessions, self.queue)

    def submit(self, spec: Mapping[str, Any]) -> Job:
        request = Request("prepare", PrepareSpec.model_validate(spec), {}, self.project_id)
        job, _ = submit_job(
            request,
            services=self.jobs,
            open_jobs_limit=10,
        )
        return job

    def work(self, *, rounds: int = 100) -> None:
        """Take messages until there are none, but no more than `rounds`."""
        while self.queue.messages and rounds:
            rounds -= 1
            task, (job_id,), _ = self.queue.messages.pop(0)
            self.run(job_id, task)
            if not self.queue.messages:
                wake_due(utc_now(), sessions=self.sessions)
                self.queue.messages += [
                    (KINDS[job.kind].task, (job.id,), PREPARE.queue) for job in self._queued()
                ]

    def _queued(self) -> list[Job]:
        with self.sessions.reading() as session:
            return session.query(Job).filter_by(state=State.QUEUED).all()

    def run(self, job_id: str, task: str) -> None:
        claimed = claim_job(job_id, sessions=self.sessions, lease_seconds=30, attempts_limit=5)
        if claimed is None:
            return
        job, token = claimed
        with LeasedRun(job, token, sessions=self.sessions, lease_seconds=30) as run:
            try:
                waiting = self._operate(run, task)
            except JobCancelled:
                finish_job(job_id, State.CANCELLED, token=token, sessions=self.sessions)
                return
            except TunecurveError as error:
                self._fail(job_id, token, error)
                return
        if waiting:
            park_job(job_id, waiting, token=token, sessions=self.sessions)
        else:
            finish_job(job_id, State.SUCCEEDED, token=token, sessions=self.sessions)

    def _fail(self, job_id: str, token: str, error: TunecurveError) -> None:
        if error.retryable and self.retries:
            self.retries -= 1
            requeue_job(job_id, token=token, sessions=self.sessions)
        else:
            finish_job(job_id, State.FAILED, token=token, sessions=self.sessions, error=error)

    def _operate(self, run: LeasedRun, task: str) -> Any:
        if task == DRAFT.task:
            return run_draft(run, store=self.store, catalogue=CATALOGUE)
        return run_prepare(
            run,
            sessions=self.sessions,
            store=self.store,
            limits=LIMITS,
            google_project="",
            catalogue=CATALOGUE,
            sharding=SourceShardConfig(self.jobs, self.shard_rows),
        )

    def job(self, job_id: str) -> Job:
        return get_job(job_id, project_id=self.project_id, sessions=self.sessions)

    def shards(self, job: Job) -> list[Job]:
        return children_of(job.id, sessions=self.sessions)

    def dataset(self, job: Job) -> Dataset:
        return get_dataset(
            job.outputs["dataset"], project_id=self.project_id, sessions=self.sessions
        )

    def made(self, spec: Mapping[str, Any], *, shard_rows: int) -> tuple[Job, dict[str, Any]]:
        """Return an ended job and all that its dataset's row says of the data."""
        self.shard_rows = shard_rows
        job = self.submit(spec)
        self.work()
        row = self.dataset(job)
        names = ("fingerprint", "examples_key", "splits", "training_files", "report")
        return self.job(job.id), {name: getattr(row, name) for name in names}

    @property
    def left(self) -> list[str]:
        return self.store.keys_below("preparing")


@pytest.fixture
def workers(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Workers]:
    shutil.copy(migrated_sqlite, tmp_path / "test.db")
    sessions = open_sessions(f"sqlite:///{tmp_path / 'test.db'}")
    yield Workers(sessions, FailingStore(tmp_path / "objects"), add_project(sessions))
    sessions.close()


def tweets(count: int) -> Iterator[tuple[str, str]]:
    """Rows with exact and near duplicates, empty ones, odd characters, other spellings."""
    for number in range(count):
        about = number if number % 9 else number % 50
        words = (f"w{(about + 1) * (at + 3) * 7919 % 9973}" for at in range(14))
        text = f"{' '.join(words)} {number % 4}"
        if number % 13 == 0:
            text = ("", " ", f"{text}\u200b", f"  {text.upper()} {text}")[number % 4]
        yield text, ("positive", "negative", "neutral")[about % 3]


def pairs(count: int) -> Iterator[tuple[str, str, str]]:
    """Preferences among a few answers to each prompt, which go round in circles at times."""
    for number, (text, _) in enumerate(tweets(count)):
        about = number if number % 5 else number % 35
        better, worse = f"answer {number % 3}", f"answer {(number + 1 + number // 350) % 3}"
        yield f"question {about} of {text}" if number % 5 else f"question {about}", better, worse


def written(
    rows: Iterator[tuple[str, ...]], columns: tuple[str, ...] = ("text", "sentiment")
) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([columns, *rows])
    return file.getvalue().encode()


def uploaded(data: bytes, workers: Workers) -> dict[str, str]:
    """Upload a file; return it as the source of a spec."""
    file_id = upload(data, workers.sessions, workers.store, workers.project_id)
    return {"type": "file", "file_id": file_id}


@pytest.fixture
def source(workers: Workers) -> dict[str, str]:
    return uploaded(written(tweets(450)), workers)


SIZES = {"train_sizes": [10, 100], "test_size": 30, "validation_size": 10}


def without_folders(made: Any) -> str:
    """Return a dataset as JSON with objects by their names: each has a folder of its own.

    The manifest, which names them in full, is left out.
    """
    bare = re.sub(r"projects/\w+/datasets/\w+/", "", json.dumps(made))
    return re.sub(r'"manifest": {[^}]*}', "", bare)


def test_any_number_of_shards_gives_the_same_dataset(
    workers: Workers, source: dict[str, str]
) -> None:
    other = uploaded(written((f"held {text}", label) for text, label in tweets(41)), workers)
    preferred = uploaded(written(pairs(450), ("prompt", "chosen", "rejected")), workers)
    specs = (
        {"preset": "sentiment", "source": source, **SIZES},
        {"preset": "sentiment", "source": source, **SIZES, "near_duplicates": None}
        | {"max_characters": 150},
        {"preset": "sentiment", "source": source, "test_source": other, **SIZES}
        | {"allow_leakage": True, "near_duplicates": 0.95},
        {"preset": "pii", "source": {"type": "synthetic", "rows": 450, "seed": 0}, **SIZES},
        {"preset": "generic", "form": "preference", "source": preferred, **SIZES},
    )
    dropped: set[str] = set()
    for spec in specs:
        alone, wanted = workers.made(spec, shard_rows=0)
        assert alone.state == State.SUCCEEDED, alone.error
        dropped.update(wanted["report"]["dropped"])
        for shard_rows in (300, 140):
            job, found = workers.made(spec, shard_rows=shard_rows)
            assert job.state == State.SUCCEEDED, job.error
            assert len(workers.shards(job)) >= 450 // shard_rows
            assert without_folders(found) == without_folders(wanted)
            assert (job.progress["done"], job.progress["total"]) == (wanted["report"]["kept"],) * 2
    assert {"empty_text", "duplicate", "near_duplicate", "over_long"} <= dropped
    assert "conflicting_preference" in dropped
    assert workers.left == []


def test_shards_are_about_equal_and_their_progress_is_the_jobs(workers: Workers) -> None:
    workers.shard_rows = 300
    spec = {"preset": "pii", "source": {"type": "synthetic", "rows": 1000, "seed": 0}, **SIZES}
    job = workers.submit(spec)
    workers.work(rounds=1)
    parked = workers.job(job.id)
    assert (parked.state, parked.reason) == (State.WAITING, Reason.CHILDREN)
    assert [shard.spec["rows"] for shard in workers.shards(job)] == [250] * 4

    workers.work(rounds=2)

    shown = workers.job(job.id).progress
    assert (shown["done"], shown["total"], shown["stage"]) == (500, 1000, "checking")


def test_faults_of_rows_are_reported_as_by_one_worker(workers: Workers) -> None:
    rows = [(text or "x", label) for text, label in tweets(300)]
    rows[5] = (rows[5][0], "5 stars")
    rows[17] = ("half \ud83d".encode("utf-8", "surrogatepass").decode("latin-1"), "none")
    rows[290] = (rows[290][0], "5 stars")
    data = written(iter(rows)).replace(b"\r\n", b",more\r\n", 100)
    spec = {"preset": "sentiment", "source": uploaded(data, workers), **SIZES}

    alone, _ = workers.made(spec, shard_rows=0)
    shared, _ = workers.made(spec, shard_rows=50)

    assert alone.error
    assert len(workers.shards(shared)) > 1
    assert shared.error == alone.error
    assert workers.left == []


def test_a_shard_that_fails_fails_the_job_and_leaves_no_files(
    workers: Workers, source: dict[str, str]
) -> None:
    workers.shard_rows = 150
    job = workers.submit({"preset": "sentiment", "source": source, **SIZES})
    workers.work(rounds=2)
    workers.store.puts_left = 0
    workers.work(rounds=1)
    workers.store.puts_left = 1_000_000
    workers.work()

    ended = workers.job(job.id)
    assert ended.state == State.FAILED
    assert ended.error
    assert ended.error["code"] == "storage_unavailable"
    assert workers.dataset(job).ready_at is None
    assert workers.left == []


@pytest.mark.parametrize("puts", [0, 1, 3])
def test_shards_of_an_attempt_that_died_are_not_mixed_with_the_next(
    workers: Workers, source: dict[str, str], puts: int
) -> None:
    spec = {"preset": "sentiment", "source": source, **SIZES}
    workers.shard_rows, workers.retries, workers.store.puts_left = 150, 1, puts
    job = workers.submit(spec)
    workers.work(rounds=1)
    assert len(workers.left) == puts
    assert not workers.shards(job)
    workers.store.puts_left = 1_000_000

    workers.work()

    assert workers.job(job.id).state == State.SUCCEEDED
    assert workers.dataset(job).fingerprint == workers.made(spec, shard_rows=0)[1]["fingerprint"]
    assert workers.left == []


def test_a_job_that_fails_while_it_merges_continues_from_the_shards(
    workers: Workers, source: dict[str, str]
) -> None:
    spec = {"preset": "sentiment", "source": source, **SIZES}
    workers.shard_rows, workers.retries = 150, 1
    job = workers.submit(spec)
    workers.work(rounds=4)
    shards = [shard.id for shard in workers.shards(job)]
    assert workers.job(job.id).state == State.QUEUED
    workers.store.puts_left = 1
    workers.work(rounds=1)
    assert workers.dataset(job).ready_at is None
    workers.store.puts_left = 1_000_000

    workers.work()

    assert workers.job(job.id).state == State.SUCCEEDED
    assert [shard.id for shard in workers.shards(job)] == shards
    assert workers.left == []


def test_results_of_another_version_or_lost_ones_are_made_again(
    workers: Workers, source: dict[str, str], tmp_path: Path
) -> None:
    spec = {"preset": "sentiment", "source": source, **SIZES}
    workers.shard_rows = 150
    job = workers.submit(spec)
    workers.work(rounds=4)
    folder = workers.shards(job)[0].spec["folder"]
    workers.store.delete(converted_key(folder, 0))
    spoil(converted_key(folder, 2), workers.store, tmp_path)

    workers.work()

    assert workers.job(job.id).state == State.SUCCEEDED
    found = workers.dataset(job)
    wanted = workers.made(spec, shard_rows=0)[1]["report"]
    assert without_folders(found.report) == without_folders(wanted)


def spoil(key: str, store: LocalStore, folder: Path) -> None:
    """Mark results as made by another version of Polars, and drop their keys."""
    summary = folder / _SUMMARY
    summary.write_text(json.dumps({"made_with": "polars 0"}))
    with tarfile.open(folder / "tar", "w") as tar:
        tar.add(summary, arcname=_SUMMARY)
    store.delete(key)
    store.put_file(key, folder / "tar", content_type="application/x-tar")


def test_a_shard_that_runs_twice_changes_nothing(workers: Workers, source: dict[str, str]) -> None:
    workers.shard_rows = 150
    job = workers.submit({"preset": "sentiment", "source": source, **SIZES})
    workers.work(rounds=2)
    (shard, *_) = workers.shards(job)
    before = workers.left
    workers.store.puts_left = 0

    with LeasedRun(shard, "a-token", sessions=workers.sessions, lease_seconds=30) as run:
        assert workers._operate(run, DRAFT.task) is None

    assert workers.left == before


@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_a_cancel_reaches_every_shard_and_leaves_no_files(
    workers: Workers, source: dict[str, str], rounds: int
) -> None:
    workers.shard_rows = 150
    job = workers.submit({"preset": "sentiment", "source": source, **SIZES})
    workers.work(rounds=rounds)

    cancel_job(
        job.id,
        project_id=workers.project_id,
        services=workers.jobs,
    )
    workers.work()

    assert workers.job(job.id).state == State.CANCELLED
    assert all(State(shard.state) not in OPEN for shard in workers.shards(job))
    assert workers.left == []


def test_a_cancelled_job_waits_for_shards_that_may_still_write(
    workers: Workers, source: dict[str, str]
) -> None:
    workers.shard_rows = 150
    job = workers.submit({"preset": "sentiment", "source": source, **SIZES})
    workers.work(rounds=1)
    shard = workers.shards(job)[0].id
    claimed = claim_job(shard, sessions=workers.sessions, lease_seconds=30, attempts_limit=5)
    assert claimed
    cancel_job(
        job.id,
        project_id=workers.project_id,
        services=workers.jobs,
    )

    workers.work()

    assert workers.job(job.id).state == State.CANCELLING
    assert workers.left
    finish_job(shard, State.CANCELLED, token=claimed[1], sessions=workers.sessions)
    workers.run(job.id, PREPARE.task)
    assert workers.job(job.id).state == State.CANCELLED
    assert workers.left == []


def test_files_of_a_job_are_purged_once_it_has_ended(
    workers: Workers, source: dict[str, str]
) -> None:
    workers.shard_rows = 150
    job = workers.submit({"preset": "sentiment", "source": source, **SIZES})
    workers.work(rounds=2)
    left = workers.left
    assert left
    assert purge_shard_files(sessions=workers.sessions, store=workers.store) == 0

    with workers.sessions.transaction() as session:
        session.get_one(Job, job.id).state = State.FAILED

    assert purge_shard_files(sessions=workers.sessions, store=workers.store) == len(left)
    assert workers.left == []


def test_shards_are_shown_to_no_one_but_their_parent(
    workers: Workers, source: dict[str, str]
) -> None:
    workers.shard_rows = 150
    job = workers.submit({"preset": "sentiment", "source": source, **SIZES})
    workers.work()

    assert len(workers.shards(job)) == 3
    listed = list_jobs(workers.project_id, sessions=workers.sessions, after=None, limit=10)
    assert [each.id for each in listed] == [job.id]
    events = list_events(workers.project_id, limit=100, sessions=workers.sessions)
    assert {event.job for event in events} == {job.id}


def test_sources_that_version_0_1_has_sharded_are_still_read(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    stored = '[{"split": null, "source_rows": 7, "shares": 2, "faults": []}]'
    (tmp_path / "sources").write_text(stored)
    store.put_file("preparing/job/one/sources.json", tmp_path / "sources", content_type="a/b")

    (source,) = sharded_sources("preparing/job/one", store=store)

    assert (source.shards, source.source_rows) == (2, 7)
