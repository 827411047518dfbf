"""Answers of Google's services that are none: no adapter makes more of them than a doubt."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.errors import Invalid, TunecurveError, Unavailable
from service.impersonation import require_token
from service.inference.batches.ports import BatchOrder
from service.inference.batches.vertex import open_vertex_batches
from service.inference.generators.token_counter import VertexTokenCounter
from service.inference.generators.vertex import VertexGenerator
from service.inference.operations import loop_thread
from service.inference.ports import EVALUATION_SERVICE, Outcome
from service.inference.retry import CallFailed, Refusal
from service.storage.gcs import GcsStore
from service.tuning.ports import Hyperparameters, TuningMethod, TuningRequest
from service.tuning.providers.vertex import open_vertex
from service.tuning.providers.vertex_answers import read_tuning
from service.tuning.providers.vertex_rest import VertexOpenTunings
from tests.service.inference.budgeted_calls import request
from tests.support.odd_answers import UNREADABLE_ANSWERS, OddServer, answered, start_odd_server

PLACE = "projects/p/locations/us-central1"
TUNING, BATCH = f"{PLACE}/tuningJobs/1", f"{PLACE}/batchPredictionJobs/1"
TUNE = TuningRequest("tun_1", "proj_1", "gemini", "gs://a/b", None, "a test", Hyperparameters())
ORDER = BatchOrder("eval_1", "gemini", "us-central1", "gs://a/b", "gs://a", "a test")


@pytest.fixture(scope="module")
def server() -> Iterator[OddServer]:
    with start_odd_server() as started:
        yield started


@pytest.mark.parametrize("name", UNREADABLE_ANSWERS)
def test_an_answer_that_is_none_leaves_all_open(
    server: OddServer, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = UNREADABLE_ANSWERS[name]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    tunings = open_vertex(project="p", location="us-central1", endpoint=server.url)
    batches = open_vertex_batches(project="p", endpoint=server.url)
    open_tunings = VertexOpenTunings(project="p", location="us-central1", endpoint=server.url)
    counter = VertexTokenCounter(project="p", locate=lambda _: "us-central1", endpoint=server.url)
    store = GcsStore("bucket", "", project="p", retry_seconds=0)
    (tmp_path / "rows").write_bytes(b"rows")
    asks: list[Callable[[], object]] = [
        lambda: tunings.submit(TUNE),
        lambda: tunings.find("tun_1"),
        lambda: tunings.poll(TUNING),
        lambda: tunings.poll_many([TUNING]),
        lambda: tunings.training_metrics(TUNING),
        lambda: tunings.made(["us-central1"]),
        lambda: batches.submit(ORDER),
        lambda: batches.find("eval_1", location="us-central1"),
        lambda: batches.poll(BATCH),
        lambda: open_tunings.count(most=1),
        lambda: counter.count(["a text"], model="gemini"),
        lambda: store.size("rows"),
        lambda: store.put_file("rows", tmp_path / "rows", content_type="text/plain"),
        lambda: store.copy("rows", "others"),
        lambda: store.keys_below("rows"),
        lambda: b"".join(store.chunks("rows")),
        lambda: require_token("a@p.iam.gserviceaccount.com", server.url),
    ]
    for number, ask in enumerate(asks):
        with pytest.raises(TunecurveError) as caught:
            ask()
        assert caught.value.retryable, (number, caught.value)


REFUSED = [400, 402, 403, 405, 407, 410, 411, 413, 414, 415, 422, 431, 451, 501, 505]
OPEN = [307, 408, 409, 421, 425, 429, 499, 500, 502, 503, 504, 507, 511, 520, 599]


@pytest.mark.parametrize("status", [*REFUSED, *OPEN])
def test_a_status_at_a_creation_is_a_refusal_or_leaves_open_what_was_made(
    server: OddServer, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = answered({"error": {"code": status, "message": "odd"}}, status=status)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    tunings = open_vertex(project="p", location="us-central1", endpoint=server.url)
    batches = open_vertex_batches(project="p", endpoint=server.url)
    store = GcsStore("bucket", "", project="p", retry_seconds=0)
    store._bucket_is_there = True
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"rows")
    large.write_bytes(bytes(3 << 20))
    none = answered({"error": {"code": 404, "message": "no such object"}}, status=404)
    begun = answered({}, headers=f"Location: {server.url}/upload\r\n")
    asks: list[tuple[Callable[[], object], dict[bytes, bytes]]] = [
        (lambda: tunings.submit(TUNE), {}),
        (lambda: tunings.submit(replace(TUNE, method=TuningMethod.PREFERENCE)), {}),
        (lambda: batches.submit(ORDER), {}),
        (lambda: store.put_file("rows", small, content_type="text/plain"), {b"GET": none}),
        (lambda: store.put_file("rows", large, content_type="text/plain"), {b"GET": none}),
        (
            lambda: store.put_file("rows", large, content_type="text/plain"),
            {b"GET": none, b"POST": begun},
        ),
        (lambda: store.copy("rows", "others"), {}),
    ]
    for number, (ask, of_method) in enumerate(asks):
        monkeypatch.setattr(server, "of_method", of_method)
        with pytest.raises(TunecurveError) as caught:
            ask()
        assert caught.value.retryable is (status in OPEN), (number, caught.value)
    monkeypatch.setattr(server, "of_method", {})
    generator = VertexGenerator(project="p", endpoint=server.url)
    kind = loop_thread().run(_kind_of_answer(generator, EVALUATION_SERVICE))
    assert (kind is Refusal.PERMANENT) is (status in REFUSED)


LISTS: tuple[object, ...] = (
    [],
    "",
    {"ITEMS": "x"},
    {"ITEMS": {}},
    {"ITEMS": [[]]},
    {"ITEMS": [""]},
    {"ITEMS": [None]},
    {"ITEMS": [{"labels": {"tunecurve-run": "tun_1"}}]},
    {"ITEMS": [{"name": 5}]},
    {"nextPageToken": 5},
    {"nextPageToken": ["a"]},
    {"nextPageToken": "again"},
)


@pytest.mark.parametrize("listed", LISTS, ids=range(len(LISTS)))
def test_a_list_that_is_none_is_not_an_empty_one(
    server: OddServer, listed: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    store = GcsStore("bucket", "", project="p", retry_seconds=0)
    text = json.dumps(listed)
    tunings = open_vertex(project="p", location="us-central1", endpoint=server.url)
    batches = open_vertex_batches(project="p", endpoint=server.url)
    asks: dict[str, Callable[[], object]] = {
        "tuningJobs": lambda: tunings.find("tun_1"),
        "batchPredictionJobs": lambda: batches.find("eval_1", location="us-central1"),
        "endpoints": lambda: tunings.made(["us-central1"]),
        "items": lambda: store.keys_below("rows"),
    }
    for items, ask in asks.items():
        server.answer = answered(text.replace("ITEMS", items).encode())
        with pytest.raises(Unavailable):
            ask()


@pytest.mark.parametrize("status", [405, 413, 501])
def test_a_cancel_that_is_refused_is_none(server: OddServer, status: int) -> None:
    server.answer = answered({"error": {"message": "odd"}}, status=status)
    tunings = open_vertex(project="p", location="us-central1", endpoint=server.url)
    batches = open_vertex_batches(project="p", endpoint=server.url)
    for cancel, name in ((tunings.cancel, TUNING), (batches.cancel, BATCH)):
        with pytest.raises(Invalid):
            cancel(name)


@pytest.mark.parametrize("name", UNREADABLE_ANSWERS)
def test_a_call_that_is_answered_so_is_asked_again(server: OddServer, name: str) -> None:
    server.answer = UNREADABLE_ANSWERS[name]
    generator = VertexGenerator(project="p", endpoint=server.url)
    kind = loop_thread().run(_kind_of_answer(generator))
    assert kind in {Outcome.UNPARSABLE, Refusal.TRANSIENT}


async def _kind_of_answer(generator: VertexGenerator, target: str = "m") -> Outcome | Refusal:
    try:
        return (await generator.generate(replace(request("a"), target=target))).outcome
    except CallFailed as failure:
        return failure.kind
    finally:
        await generator.close()


@pytest.mark.parametrize("name", ["", "projects/p/operations/1", f"{PLACE}/models/1"])
def test_an_answer_about_something_else_is_none(server: OddServer, name: str) -> None:
    server.answer = answered({"name": name})
    tunings = open_vertex(project="p", location="us-central1", endpoint=server.url)
    batches = open_vertex_batches(project="p", endpoint=server.url)
    asks: list[Callable[[], object]] = [
        lambda: tunings.submit(TUNE),
        lambda: batches.submit(ORDER),
        lambda: tunings.poll(TUNING),
        lambda: batches.poll(BATCH),
    ]
    for ask in asks:
        with pytest.raises(Unavailable):
            ask()


def test_a_list_that_repeats_itself_ends(
    server: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    names = [f"{PLACE}/tuningJobs/{number}" for number in range(6)]
    jobs = [{"name": name, "state": "JOB_STATE_RUNNING"} for name in names]
    server.answer = answered(
        {
            "tuningJobs": [*jobs, "odd", None],
            "items": [{"name": "rows"}],
            "endpoints": [{"name": f"{PLACE}/endpoints/1"}],
            "nextPageToken": "again",
        }
    )
    tunings = open_vertex(project="p", location="us-central1", endpoint=server.url)
    assert set(tunings.poll_many([*names, f"{PLACE}/tuningJobs/7"])) == set(names)
    store = GcsStore("bucket", "", project="p")
    asks: list[Callable[[], object]] = [
        lambda: tunings.made(["us-central1"]),
        lambda: store.keys_below("rows"),
    ]
    for ask in asks:
        with pytest.raises(Unavailable):
            ask()


ODD: tuple[object, ...] = (
    "text",
    5,
    -1,
    1.5,
    None,
    True,
    [],
    ["a"],
    {},
    {"a": 1},
    "9" * 400,
    "a\0\ud800",
    10**30,
)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_members_of_a_tuning_may_be_anything(odd: object) -> None:
    counts = {"totalBillableTokenCount": odd, "tuningStepCount": odd, "droppedExampleReasons": odd}
    reported = {
        "name": TUNING,
        "labels": {"tunecurve-run": odd},
        "tunedModel": {"model": odd, "endpoint": odd, "checkpoints": [odd, {"epoch": odd}]},
        "tuningDataStats": {"supervisedTuningDataStats": counts},
        "tuningJobMetadata": {"completedEpochCount": odd},
        "supervisedTuningSpec": {"hyperParameters": {"epochCount": odd, "adapterSize": odd}},
        "error": {"message": odd},
        "baseModel": odd,
    }
    for read in (reported, dict.fromkeys(reported, odd)):
        found = read_tuning(read)
        assert len(found.model or "") < 500
        assert found.training_tokens in {0, 5}
