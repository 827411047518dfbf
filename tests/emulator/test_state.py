"""What is kept: safe under a kill in the middle of writes, and not all of it in memory."""

import base64
import hashlib
import threading
import tracemalloc
from dataclasses import asdict
from functools import partial
from pathlib import Path

import httpx2

from emulator.documents import Documents
from emulator.storage.objects import Draft, Preconditions
from emulator.storage.store import ObjectStore
from emulator.tuning.records import State, Tuning
from emulator.tuning.store import TuningStore
from tests.emulator.examples import labelled, order
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess, start_emulator
from tests.support.eventually import eventually

PARENT = "/v1/projects/lab/locations/us-central1/tuningJobs"


class Writer(threading.Thread):
    """Overwrites a few objects and creates tunings until the server is gone, noting answers.

    `objects` holds the last version each upload was confirmed with.
    """

    def __init__(self, url: str, *, start: int) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._version = start
        self.objects: dict[str, int] = {}
        self.tunings: set[str] = set()

    def run(self) -> None:
        try:
            with plain_http.Client(timeout=300) as client:
                while True:
                    self._write(client)
        except httpx2.HTTPError:
            return

    def _write(self, client: httpx2.Client) -> None:
        self._version += 1
        name = f"object-{self._version % 7}"
        upload = f"{self._url}/upload/storage/v1/b/data/o?uploadType=media&name={name}"
        client.post(upload, content=content(self._version)).raise_for_status()
        self.objects[name] = self._version
        if self._version % 10 == 0:
            created = client.post(f"{self._url}{PARENT}", json=order("gs://data/rows.jsonl"))
            self.tunings.add(created.raise_for_status().json()["name"])


def has_written(writer: Writer) -> bool:
    return len(writer.tunings) >= 3


def content(version: int) -> bytes:
    return f"{version}\n".encode() * (1000 + version % 3)


def prepare(emulator: EmulatorProcess) -> None:
    emulator.request("POST", "/storage/v1/b?project=lab", {"name": "data"})
    url = f"{emulator.url}/upload/storage/v1/b/data/o?uploadType=media&name=rows.jsonl"
    plain_http.post(
        url, content=labelled(good="GOOD", bad="BAD").encode(), timeout=300
    ).raise_for_status()


def check(emulator: EmulatorProcess, writer: Writer) -> None:
    """Every confirmed write is there, whole; the one under way may be there or not."""
    with plain_http.Client(timeout=300) as client:
        for name, version in writer.objects.items():
            url = f"{emulator.url}/storage/v1/b/data/o/{name}"
            reported, body = client.get(url).json(), client.get(f"{url}?alt=media").content
            md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
            assert reported["md5Hash"] == md5
            found = int(body.split(b"\n", 1)[0])
            assert found >= version
            assert body == content(found)
        listed = client.get(f"{emulator.url}{PARENT}?pageSize=1000").json()["tuningJobs"]
    assert writer.tunings <= {job["name"] for job in listed}
    assert all(job["state"] != "JOB_STATE_FAILED" for job in listed)


def test_nothing_confirmed_is_lost_by_a_kill_in_the_middle_of_writes(tmp_path: Path) -> None:
    writer = None
    for round_number in range(2):
        with start_emulator(tmp_path, tuning_seconds=3600) as emulator:
            if writer is None:
                prepare(emulator)
            else:
                check(emulator, writer)
            writer = Writer(emulator.url, start=round_number * 100_000)
            writer.start()
            eventually(partial(has_written, writer))
            emulator.kill()
            writer.join(timeout=20)
    with start_emulator(tmp_path, tuning_seconds=3600) as emulator:
        assert writer
        check(emulator, writer)
        assert {path.name for path in (tmp_path / "storage" / "uploads").iterdir()} == set()
        bodies = list((tmp_path / "storage" / "payloads").iterdir())
        assert len(bodies) == 1 + len(writer.objects)


def test_the_objects_of_a_store_are_not_in_memory(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    store.create_bucket("data", project="1", location="US")

    def put(number: int) -> None:
        payload = store.new_payload()
        payload.write(b"x")
        metadata = {"purpose": "a test of memory " * 4}
        draft = Draft("data", f"folder/{number:06}", properties={}, metadata=metadata)
        store.put(draft, payload, preconditions=Preconditions())

    put(0)
    tracemalloc.start()
    for number in range(1, 800):
        put(number)
    grown_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # An object of its own would take more than 1,000 bytes.
    assert grown_bytes / 800 < 300
    assert len(list(store.names("data"))) == 800
    assert store.get("data", "folder/000700").metadata["purpose"]
    store.close()


def ended_tuning(number: int) -> Tuning:
    return Tuning(
        tuning_id=str(number),
        serial=number,
        project="1",
        location="us-central1",
        base_model="gemini-2.5-flash",
        requested={"labels": {"n": str(number)}},
        training_uri="gs://data/rows.jsonl",
        validation_uri=None,
        epochs=3,
        learning_rate_multiplier=1.0,
        seed=number,
        model_location="us-central1",
        model_id=f"m{number}",
        endpoint_id=f"e{number}",
        created="2026-01-01T00:00:00.000000Z",
        updated="2026-01-01T00:00:00.000000Z",
        state=State.SUCCEEDED,
        history=[{"epoch": epoch, "train_loss": epoch / 7} for epoch in range(200)],
        data_stats={"supervisedTuningDataStats": {"userDatasetExamples": ["text " * 500] * 6}},
    )


def test_ended_tunings_are_read_when_asked_for_and_come_back_after_a_restart(
    tmp_path: Path,
) -> None:
    store = TuningStore(tmp_path)
    tracemalloc.start()
    for number in range(1, 151):
        store.put(ended_tuning(number))
    grown_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 150 of them are some 15 MB as objects; 64 are cached.
    assert grown_bytes < 8_000_000
    assert [tuning.serial for tuning in store.all()] == list(range(1, 151))
    store.close()
    again = TuningStore(tmp_path)
    found = again.serving("projects/1/locations/us-central1/endpoints/e7")
    assert asdict(found) == asdict(ended_tuning(7))
    assert again.next_serial() == 151
    assert again.count_alike("gs://data/rows.jsonl", 3, 1.0) == 150
    again.close()


def test_documents_are_read_in_order_while_others_are_written(tmp_path: Path) -> None:
    documents = Documents(tmp_path / "d.sqlite")
    for number in range(250):
        documents.put(f"a{number:03}", {"n": number}, tag=str(number))
    seen = []
    for document in documents.all():
        seen.append(document["n"])
        documents.put(f"A{document['n']:03}", {"n": -1})
    assert seen == list(range(250))
    documents.delete("a007")
    assert documents.get("a007") is None
    assert list(documents.keys(prefix="a00")) == [f"a00{n}" for n in range(10) if n != 7]
    documents.close()
