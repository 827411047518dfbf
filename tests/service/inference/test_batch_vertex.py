"""What the batch adapter asks of Vertex AI, and what it makes of the answers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import Invalid, NotFound, Unavailable
from service.inference.batches.files import output_lines
from service.inference.batches.ports import BatchOrder
from service.inference.batches.vertex import VertexBatches, open_vertex_batches, read_batch
from service.jobs.paid_operations.states import OperationState
from service.storage.gcs import read_gs_objects
from service.storage.stores import open_store
from tests.support.emulator import EmulatorProcess, start_emulator
from tests.support.eventually import eventually

PROJECT = "tunecurve-test"
BODY = {"contents": [{"role": "user", "parts": [{"text": "Is it good?"}]}]}


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with start_emulator() as started:
        yield started


@pytest.fixture
def vertex(emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch) -> VertexBatches:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    emulator.configure(batch_seconds=0)
    return open_vertex_batches(project=PROJECT, endpoint=emulator.url)


def ordered(tmp_path: Path, run_id: str, *, model: str = "gemini-3.1-flash-lite") -> BatchOrder:
    """Upload a file of two rows, and return the order to answer it."""
    store = open_store("gs://tunecurve/data", project=PROJECT)
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps({"key": key, "request": BODY}) for key in ("a/0", "b/0")]
    path.write_text("\n".join(lines), encoding="utf-8")
    key = f"batches/{run_id}/rows.jsonl"
    store.put_file(key, path, content_type="application/jsonl")
    return BatchOrder(
        run_id=run_id,
        model=model,
        location="us",
        input_uri=store.uri(key),
        output_uri=store.uri(f"batches/{run_id}"),
        display_name="a test",
    )


def test_a_batch_is_sent_found_by_its_label_and_read(tmp_path: Path, vertex: VertexBatches) -> None:
    name = vertex.submit(ordered(tmp_path, "eval_1"))
    vertex.submit(ordered(tmp_path, "eval_2"))
    assert [each.resource_name for each in vertex.find("eval_1", location="us")] == [name]
    assert not vertex.find("eval_1", location="europe-west4")
    assert not vertex.find("eval_3", location="us")
    eventually(lambda: vertex.poll(name).state is OperationState.SUCCEEDED)
    batch = vertex.poll(name)
    assert batch.output_uri is not None
    assert batch.output_uri.startswith("gs://tunecurve/data/batches/eval_1/")
    unreadable: list[Invalid] = []
    files = read_gs_objects(batch.output_uri, project=PROJECT)
    lines = list(output_lines(files, on_unreadable=unreadable.append))
    assert not unreadable
    assert [json.loads(line)["key"] for line in lines if line] == ["a/0", "b/0"]
    vertex.cancel(name)  # it has ended: nothing happens
    assert vertex.synthetic


def test_a_cancelled_batch_has_stopped(
    tmp_path: Path, vertex: VertexBatches, emulator: EmulatorProcess
) -> None:
    emulator.configure(batch_seconds=600)
    name = vertex.submit(ordered(tmp_path, "eval_4"))
    assert vertex.poll(name).state is OperationState.ACCEPTED
    vertex.cancel(name)
    eventually(lambda: vertex.poll(name).state is OperationState.STOPPED)


def test_a_refused_batch_carries_the_providers_words(tmp_path: Path, vertex: VertexBatches) -> None:
    with pytest.raises(NotFound, match="nonesuch"):
        vertex.submit(ordered(tmp_path, "eval_5", model="nonesuch"))
    with pytest.raises(NotFound) as caught:
        vertex.poll(f"projects/{PROJECT}/locations/us/batchPredictionJobs/1")
    assert caught.value.code == "batch_not_found"


def test_a_server_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        open_vertex_batches(project="p", endpoint="http://127.0.0.1:9").find("x", location="us")


def test_a_missing_project_says_which_variable_to_set() -> None:
    with pytest.raises(Invalid, match="TUNECURVE_GOOGLE_CLOUD_PROJECT"):
        open_vertex_batches(project="", endpoint="")


@pytest.mark.parametrize(
    ("state", "ours"),
    [
        ("JOB_STATE_QUEUED", OperationState.ACCEPTED),
        ("JOB_STATE_CANCELLING", OperationState.ACCEPTED),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", OperationState.SUCCEEDED),
        ("JOB_STATE_EXPIRED", OperationState.STOPPED),
        ("JOB_STATE_FAILED", OperationState.FAILED),
        ("a state of next year", OperationState.ACCEPTED),
    ],
)
def test_states_are_ours(state: str, ours: OperationState) -> None:
    batch = read_batch({"state": state, "error": {"message": "x" * 900}})
    assert batch.state is ours
    assert batch.output_uri is None
    assert len(batch.error) == 500
