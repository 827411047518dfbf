"""A batch is sent once, whatever is lost on the way; what it does not answer is left to ask."""

import bz2
import codecs
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import zstandard

from service.catalogue.catalogue import load_catalogue
from service.catalogue.prices import CallPrice
from service.clock import utc_now
from service.database import Sessions
from service.datasets.operations import PREPARE
from service.errors import Invalid, NotFound, ProviderFailed
from service.evaluation import repository
from service.evaluation.batches.lane import run_batch
from service.evaluation.batches.operation import BatchWork, polled_batches
from service.evaluation.lanes import Lane
from service.evaluation.models import BatchRun, Evaluation
from service.evaluation.operations import evaluate_kind
from service.evaluation.ports import BatchConfig
from service.inference.batches.files import output_lines
from service.inference.batches.vertex import open_vertex_batches
from service.inference.models import Usage
from service.inference.ports import Generation, GenerationRequest, GenerationResult, Outcome, Turn
from service.jobs.budgets import BudgetExhausted, open_budget
from service.jobs.lifecycle import Reason
from service.jobs.models import Reservation
from service.jobs.paid_operations.pace import OperationPace
from service.jobs.paid_operations.sweep import poll_operations
from service.jobs.ports import JobCancelled, LeaseLost, Waiting
from service.storage.gcs import read_gs_objects
from service.storage.stores import open_store
from service.tuning.queries import base_model_of, ready_model
from tests.support.emulator import EmulatorProcess, start_emulator
from tests.support.eventually import eventually
from tests.support.faulty_proxy import FaultyProxy, start_faulty_proxy
from tests.support.runs import MemoryRun, add_project, reserve_run

PROJECT = "tunecurve-test"
MODEL = "gemini-3.1-flash-lite"
ROWS = 14
# Where it is the files or the answers that count: both databases walk the same way.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with start_emulator() as started:
        yield started


@pytest.fixture
def proxy(emulator: EmulatorProcess) -> Iterator[FaultyProxy]:
    with start_faulty_proxy(emulator.url) as started:
        yield started


def asked(number: int, **change: Any) -> GenerationRequest:
    request = GenerationRequest(
        key=f"row-{number}/0",
        target=MODEL,
        base_model=MODEL,
        location="us",
        contents=(Turn("user", f"Classify the text as good or bad.\n\nText: day {number}"),),
        max_output_tokens=64,
    )
    return replace(request, **change)


@dataclass
class Batch:
    """An evaluation in the batch lane, ready to run, and the hands to move it."""

    run: MemoryRun
    sessions: Sessions
    batching: BatchConfig
    emulator: EmulatorProcess
    requests: list[GenerationRequest]
    work: BatchWork = field(init=False)
    kept: dict[str, Generation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.work = BatchWork(
            target=MODEL,
            base_model=MODEL,
            location="us",
            requested=Lane.BATCH,
            deadline_hours=None,
            price=None,
            requests=self.missing,
            keep=self.keep,
        )

    def missing(self) -> Iterator[GenerationRequest]:
        return (each for each in self.requests if each.key not in self.kept)

    def keep(self, batch: Sequence[GenerationResult]) -> None:
        self.kept |= {answer.key: answer.generation for answer in batch}

    def step(self, *, settled: bool = False) -> Waiting | None:
        """Run it once; `settled` lets the time to settle have passed."""
        batching = replace(self.batching, pace=self.pace(settled=settled))
        return run_batch(self.run, self.work, batching=batching, sessions=self.sessions)

    def pace(self, *, settled: bool) -> OperationPace:
        return replace(self.batching.pace, settle_seconds=-1) if settled else self.batching.pace

    def poll(self, *, settled: bool = False) -> bool:
        """Run the sweep once, with the batch due; return whether the batch has ended."""
        with self.sessions.transaction() as session:
            for row in session.query(BatchRun).where(BatchRun.next_poll_at.is_not(None)):
                row.next_poll_at = utc_now() - timedelta(hours=1)
        poll_operations(
            [polled_batches(self.batching.provider, store=lambda: self.batching.store)],
            sessions=self.sessions,
            pace=self.pace(settled=settled),
        )
        return self.row().finished_at is not None

    def until_over(self) -> None:
        """Run it until there is nothing to wait for."""
        self.step()
        eventually(self.poll, pause=0.1, what="the batch is not over")
        assert self.step() is None

    def die_while_storing(self) -> None:
        """Run it once, and lose the lease after ten answers."""

        def dying(answers: Sequence[GenerationResult]) -> None:
            self.keep(answers[:10])
            raise LeaseLost

        whole, self.work = self.work, replace(self.work, keep=dying)
        with pytest.raises(LeaseLost):
            self.step()
        self.work = whole

    def row(self) -> BatchRun:
        with self.sessions.reading() as session:
            row = repository.find_batch(session, self.run.outputs["evaluation"])
        assert row is not None
        return row

    def evaluation(self) -> Evaluation:
        with self.sessions.reading() as session:
            return session.get_one(Evaluation, self.run.outputs["evaluation"])

    def batches(self) -> list[dict[str, Any]]:
        """Return what the provider has seen of this evaluation."""
        parent = f"/v1/projects/{PROJECT}/locations/us/batchPredictionJobs"
        listed = self.emulator.request("GET", parent).get("batchPredictionJobs", [])
        label = self.run.outputs["evaluation"]
        return [each for each in listed if each["labels"]["tunecurve-run"] == label]


@pytest.fixture
def batch(
    sessions: Sessions,
    emulator: EmulatorProcess,
    proxy: FaultyProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> Batch:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    emulator.configure(batch_seconds=0, empty_rate=0)
    project_id = add_project(sessions)
    source = {"type": "synthetic", "rows": 120, "seed": 3}
    prepare = {"preset": "pii", "source": source, "train_sizes": [10], "test_size": 10}
    prepared = reserve_run(PREPARE, prepare, project_id=project_id, sessions=sessions)
    kind = evaluate_kind(
        MODEL, find_model=ready_model, find_base_model=base_model_of, catalogue=load_catalogue()
    )
    spec = {"dataset": prepared.outputs["dataset"], "variant": "zero_shot"}
    run = reserve_run(kind, spec, project_id=project_id, sessions=sessions)
    provider = open_vertex_batches(project=PROJECT, endpoint=proxy.url)
    batching = BatchConfig(
        provider=lambda _: provider,
        outputs=lambda _project, folder: read_gs_objects(folder, project=PROJECT),
        store=open_store("gs://tunecurve/data", project=PROJECT),
        pace=OperationPace(poll_seconds=0.1, settle_seconds=60),
    )
    return Batch(run, sessions, batching, emulator, [asked(number) for number in range(ROWS)])


def test_a_batch_is_sent_waited_for_and_stored(batch: Batch) -> None:
    assert batch.step() == Waiting(Reason.PROVIDER)
    batch.until_over()
    assert set(batch.kept) == {request.key for request in batch.requests}
    first = batch.kept["row-0/0"]
    assert (first.outcome, first.synthetic) == (Outcome.OK, True)
    assert first.text
    assert first.usage["totalTokenCount"] == first.prompt_tokens + first.output_tokens
    assert batch.row().requests == ROWS
    assert batch.step() is None
    assert len(batch.batches()) == 1


def test_a_row_that_fails_alone_is_left_to_be_asked_online(batch: Batch) -> None:
    batch.requests[3] = asked(3, temperature=9.0)
    batch.until_over()
    assert set(batch.kept) == {each.key for each in batch.requests} - {"row-3/0"}


@pytest.mark.parametrize("killed", [False, True], ids=["at once", "after a kill"])
def test_an_answer_that_says_nothing_is_left_to_ask_and_its_cost_entered_once(
    batch: Batch, *, killed: bool
) -> None:
    price = CallPrice(input=150_000, output=1_250_000, cached_input=150_000)
    batch.emulator.configure(empty_rate=0.4)
    batch.work = replace(batch.work, price=price)
    with batch.sessions.transaction() as session:
        open_budget(session, batch.run.id, limit_nano=10**10)
    batch.step()
    eventually(batch.poll, pause=0.1, what="the batch is not over")
    if killed:
        batch.die_while_storing()
    assert batch.step() is None
    assert batch.step() is None
    empty = [each for each in batch.requests if each.key not in batch.kept]
    assert 0 < len(empty) < ROWS
    with batch.sessions.reading() as session:
        (entry,) = session.query(Usage).filter_by(job_id=batch.run.id)
        spent = session.get_one(Reservation, batch.run.id).spent_nano
    assert (entry.lane, entry.requests, entry.output_tokens) == ("batch", len(empty), 0)
    assert entry.prompt_tokens >= len(empty)
    assert entry.cost_nano == entry.prompt_tokens * price.input // 1000 == spent
    assert entry.synthetic


def swapped(line: bytes) -> bytes:
    return json.dumps(json.loads(line) | {"key": "row-77/0"}).encode()


# What an output may be instead of one file with a line for each request, and the rows it answers.
Files = list[bytes]
OUTPUTS: dict[str, tuple[Callable[[list[bytes]], Files], int]] = {
    "cut off": (lambda lines: [b"\n".join(lines)[: -len(lines[-1]) // 2]], ROWS - 1),
    "doubled": (lambda lines: [b"\n".join(lines + lines)], ROWS),
    "incomplete": (lambda lines: [b"\n".join(lines[5:])], ROWS - 5),
    "in another order": (lambda lines: [b"\n".join(lines[::-1])], ROWS),
    "of other keys": (lambda lines: [b"\n".join([swapped(lines[0]), *lines[1:]])], ROWS - 1),
    "packed": (lambda lines: [gzip.compress(b"\n".join(lines))], ROWS),
    "packed twice": (lambda lines: [gzip.compress(gzip.compress(b"\n".join(lines)))], ROWS),
    "packed in pieces": (lambda lines: [b"".join(gzip.compress(b"\n" + x) for x in lines)], ROWS),
    "packed and cut off": (
        lambda lines: [gzip.compress(b"\n".join(lines), 0)[: -len(lines[-1]) // 2]],
        ROWS - 1,
    ),
    "packed by Zstandard": (lambda lines: [zstandard.compress(b"\n".join(lines))], ROWS),
    "packed by both": (
        lambda lines: [zstandard.compress(gzip.compress(b"\n".join(lines)))],
        ROWS,
    ),
    "packed by Zstandard in pieces, and cut off": (
        lambda lines: [b"".join(zstandard.compress(x + b"\n") for x in lines)[:-3]],
        ROWS - 1,
    ),
    "packed otherwise": (lambda lines: [bz2.compress(b"\n".join(lines))], 0),
    "by Windows": (lambda lines: [codecs.BOM_UTF8 + b"\r\n".join(lines)], ROWS),
    "several files": (
        lambda lines: [lines[0], b"", b"\n".join(lines[1:9]), gzip.compress(b"\n".join(lines[9:]))],
        ROWS,
    ),
    "a damaged one of two": (lambda lines: [b"\x1f\x8bno", b"\n".join(lines)], ROWS),
    "empty": (lambda _lines: [b""], 0),
    "absent": (lambda _lines: [], 0),
    "a page": (lambda _lines: [b"<html>\n</html>"], 0),
}


@pytest.mark.parametrize("output", OUTPUTS)
@on_sqlite
def test_what_an_output_does_not_answer_is_left_to_ask_and_all_else_is_kept(
    batch: Batch, output: str
) -> None:
    change, answered = OUTPUTS[output]
    read = batch.batching.outputs
    unreadable: list[Invalid] = []

    def changed(project_id: str, folder: str) -> Iterator[Iterator[bytes]]:
        files = read(project_id, folder)
        lines = [line for line in output_lines(files, on_unreadable=unreadable.append) if line]
        return (iter([file[:99], file[99:]]) for file in change(lines))

    batch.batching = replace(batch.batching, outputs=changed)
    batch.until_over()
    assert len(batch.kept) == answered
    assert len(list(batch.missing())) == ROWS - answered
    assert not unreadable
    told = "could not be read" in (batch.evaluation().lane_reason or "")
    assert told == any(word in output for word in ("damaged", "otherwise", "packed and", ", and"))


def test_a_refused_batch_that_was_made_all_the_same_and_is_listed_late_is_cancelled(
    batch: Batch, proxy: FaultyProxy
) -> None:
    batch.emulator.configure(batch_seconds=600)
    proxy.answer_next("POST", 413)
    proxy.empty_next_list()
    proxy.empty_next_list()
    with pytest.raises(Invalid, match="odd answer"):
        batch.step()
    assert [each["state"] for each in batch.batches()] == ["JOB_STATE_RUNNING"]
    with batch.sessions.transaction() as session:
        row = session.get_one(BatchRun, batch.run.outputs["evaluation"])
        row.reconcile_at = utc_now() - timedelta(hours=1)
    batch.poll()
    assert [each["state"] for each in batch.batches()] == ["JOB_STATE_CANCELLED"]


def test_nothing_to_ask_sends_nothing(batch: Batch) -> None:
    batch.requests.clear()
    assert batch.step() is None
    assert batch.batches() == []


def test_what_was_stored_before_a_kill_is_not_stored_again(batch: Batch) -> None:
    batch.step()
    eventually(batch.poll, pause=0.1, what="the batch is not over")
    batch.die_while_storing()
    stored = dict(batch.kept)
    assert batch.step() is None
    assert len(batch.kept) == ROWS
    assert all(batch.kept[key] is generation for key, generation in stored.items())


def test_a_lost_answer_does_not_start_a_second_batch(batch: Batch, proxy: FaultyProxy) -> None:
    proxy.lose_next("answer")
    assert batch.step() == Waiting(Reason.RETRY, seconds=60)
    again = batch.step()  # too early: the request could still be under way
    assert again is not None
    assert again.reason is Reason.RETRY
    assert batch.step(settled=True) == Waiting(Reason.PROVIDER)
    assert [each["name"] for each in batch.batches()] == [batch.row().resource_name]


@pytest.mark.parametrize("status", [408, 409, 499, 503])
@on_sqlite
def test_an_answer_that_leaves_open_whether_a_batch_was_created_has_it_looked_for(
    batch: Batch, proxy: FaultyProxy, status: int
) -> None:
    proxy.answer_next("POST", status)
    assert batch.step() == Waiting(Reason.RETRY, seconds=60)
    assert batch.step(settled=True) == Waiting(Reason.PROVIDER)
    assert [each["name"] for each in batch.batches()] == [batch.row().resource_name]


def test_a_batch_that_is_not_listed_at_the_first_look_is_asked_about_again(
    batch: Batch, proxy: FaultyProxy
) -> None:
    batch.step()
    proxy.answer_next("GET", 404)
    assert not batch.poll()
    batch.until_over()
    assert len(batch.kept) == ROWS


def test_a_waiting_batch_asks_nothing_and_reads_nothing_until_it_has_ended(batch: Batch) -> None:
    batch.emulator.configure(batch_seconds=600)
    batch.step()
    batch.work = replace(batch.work, requests=lambda: pytest.fail("it reads its requests again"))
    for _ in range(3):
        assert batch.step() == Waiting(Reason.PROVIDER)
        assert not batch.poll()


def test_a_lost_request_is_sent_again_once_it_must_be_lost(
    batch: Batch, proxy: FaultyProxy
) -> None:
    proxy.lose_next("request")
    batch.step()
    assert batch.batches() == []
    assert batch.step(settled=True) == Waiting(Reason.PROVIDER)
    assert len(batch.batches()) == 1


def test_a_worker_that_died_before_it_could_write_the_answer_down_is_taken_over(
    batch: Batch,
) -> None:
    batch.step()
    with batch.sessions.transaction() as session:
        row = session.get_one(BatchRun, batch.run.outputs["evaluation"])
        row.resource_name, row.state, row.next_poll_at = None, "intended", None
    assert batch.step(settled=True) == Waiting(Reason.PROVIDER)
    assert len(batch.batches()) == 1


def test_a_cancel_reaches_the_provider_and_keeps_what_was_paid_for(batch: Batch) -> None:
    batch.emulator.configure(batch_seconds=600)
    batch.step()
    eventually(lambda: _successful(batch) == ROWS, what="no rows yet")
    batch.run.cancelling = True
    assert batch.step() == Waiting(Reason.PROVIDER, seconds=0.1)
    with pytest.raises(JobCancelled):
        batch.until_over()
    assert batch.batches()[0]["state"] == "JOB_STATE_CANCELLED"
    assert len(batch.kept) == ROWS
    with pytest.raises(JobCancelled):
        batch.step()


def _successful(batch: Batch) -> int:
    name = batch.batches()[0]["name"]
    counts = {each["name"]: each["successful"] for each in batch.emulator.ledger()["batches"]}
    return int(counts[name])


def test_a_job_cancelled_before_it_was_sent_sends_nothing(batch: Batch) -> None:
    batch.run.cancelling = True
    with pytest.raises(JobCancelled):
        batch.step()
    assert batch.batches() == []


def test_a_batch_that_is_out_of_time_leaves_the_rest_to_be_asked_online(batch: Batch) -> None:
    batch.emulator.configure(batch_seconds=600)
    batch.work = replace(batch.work, deadline_hours=1e-9)
    batch.until_over()
    assert batch.row().state == "stopped"
    assert batch.batches()[0]["state"] == "JOB_STATE_CANCELLED"


def test_a_provider_that_is_away_for_a_while_does_not_end_a_batch(batch: Batch) -> None:
    batch.step()
    away = open_vertex_batches(project=PROJECT, endpoint="http://127.0.0.1:9")
    here, batch.batching = batch.batching, replace(batch.batching, provider=lambda _: away)
    assert not batch.poll()
    assert batch.step() == Waiting(Reason.PROVIDER)
    batch.batching = here
    batch.until_over()
    assert len(batch.kept) == ROWS


def test_a_batch_that_the_provider_refuses_ends_a_job_that_asked_for_it(batch: Batch) -> None:
    batch.work = replace(batch.work, target="nonesuch")
    assert isinstance(batch.step(), Waiting)  # one 404 leaves open whether it was made
    with pytest.raises(NotFound, match="nonesuch"):
        batch.step(settled=True)
    with pytest.raises(ProviderFailed, match="nonesuch"):
        batch.step()


def test_a_batch_that_the_provider_refuses_sends_lane_auto_online(batch: Batch) -> None:
    batch.work = replace(batch.work, target="nonesuch", requested=Lane.AUTO)
    assert isinstance(batch.step(), Waiting)
    assert batch.step(settled=True) is None
    evaluation = batch.evaluation()
    assert evaluation.lane == "online"
    assert "nonesuch" in (evaluation.lane_reason or "")


def test_a_batch_that_somebody_deleted_has_failed(batch: Batch) -> None:
    batch.step()
    eventually(lambda: batch.batches()[0]["state"] == "JOB_STATE_SUCCEEDED")
    batch.emulator.request("DELETE", f"/v1/{batch.row().resource_name}")
    assert not batch.poll(settled=False)
    assert batch.poll(settled=True)
    with pytest.raises(ProviderFailed, match="batch failed"):
        batch.step()


def test_a_batch_that_does_not_fit_into_the_budget_is_not_sent(batch: Batch) -> None:
    price = CallPrice(input=150_000, output=1_250_000, cached_input=150_000)
    batch.work = replace(batch.work, price=price)
    with batch.sessions.transaction() as session:
        open_budget(session, batch.run.id, limit_nano=1000)
    with pytest.raises(BudgetExhausted, match="the batch does not fit"):
        batch.step()
    assert batch.batches() == []
