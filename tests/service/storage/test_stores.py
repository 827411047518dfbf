"""What every object store does alike: one suite for the folder and for Cloud Storage."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.errors import Invalid, NotFound
from service.storage.object_keys import put_content
from service.storage.ports import ObjectStore
from service.storage.stores import open_store
from tests.support.emulator import start_emulator
from tests.support.memory_store import MemoryStore

KEY = "files/0a1b.jsonl"


@pytest.fixture(scope="module")
def emulator_url() -> Iterator[str]:
    with start_emulator() as emulator:
        yield emulator.url


@pytest.fixture(params=["folder", "cloud", "memory"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ObjectStore:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "folder":
        return open_store(f"file:{tmp_path / 'objects'}", project="")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", request.getfixturevalue("emulator_url"))
    bucket = f"bucket-{tmp_path.name.replace('_', '-')}-{os.getpid()}".lower()
    return open_store(f"gs://{bucket[:60].rstrip('-.')}/some/prefix", project="a-project")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes("Grüße\n".encode() * 300_000)  # more than two chunks
    return path


def put(store: ObjectStore, path: Path, key: str = KEY) -> bool:
    return store.put_file(key, path, content_type="application/x-ndjson").created


def test_what_was_put_can_be_read_back(store: ObjectStore, source: Path) -> None:
    stored = store.put_file(KEY, source, content_type="application/x-ndjson")

    assert stored.created
    assert stored.key == KEY
    assert stored.uri == store.uri(KEY)
    assert stored.size_bytes == store.size(KEY) == source.stat().st_size
    with store.open(KEY) as stream:
        assert stream.read() == source.read_bytes()
    assert b"".join(store.chunks(KEY)) == source.read_bytes()


def test_a_large_object_goes_in_parts_and_comes_back_whole(
    store: ObjectStore, tmp_path: Path
) -> None:
    path = tmp_path / "large"
    path.write_bytes(os.urandom(17 << 20))  # two parts and a rest

    assert put(store, path)

    with store.open(KEY) as stream:
        assert stream.read() == path.read_bytes()


def test_the_second_put_of_a_key_creates_nothing(
    store: ObjectStore, source: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")

    assert put(store, source)
    assert not put(store, source)
    assert not put(store, other)
    with store.open(KEY) as stream:
        assert stream.read() == source.read_bytes()


def test_of_many_who_put_at_once_one_creates(store: ObjectStore, source: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        created = list(pool.map(lambda _: put(store, source), range(8)))

    assert created.count(True) == 1
    assert store.size(KEY) == source.stat().st_size


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (0, 0), (1, 5), (7, None), (1 << 20, (1 << 20) + 3), (5, 1 << 40)]
)
def test_a_range_is_read_as_a_slice(
    store: ObjectStore, source: Path, start: int, end: int | None
) -> None:
    put(store, source)

    pieces = list(store.chunks(KEY, start=start, end=end))

    assert b"".join(pieces) == source.read_bytes()[start:end]
    assert all(len(piece) <= 1 << 20 for piece in pieces)


def test_a_file_that_was_opened_can_be_searched(store: ObjectStore, source: Path) -> None:
    put(store, source)

    with store.open(KEY) as stream:
        stream.seek(-3, 2)
        assert stream.read() == source.read_bytes()[-3:]


def test_an_empty_object_is_an_object(store: ObjectStore, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()

    assert put(store, empty)
    assert store.size(KEY) == 0
    assert list(store.chunks(KEY)) == []


def test_what_is_not_there_is_not_found(store: ObjectStore) -> None:
    assert store.size(KEY) is None
    with pytest.raises(NotFound) as raised:
        store.chunks(KEY)
    assert raised.value.code == "object_not_found"
    with pytest.raises(NotFound) as raised, store.open(KEY):
        pass
    assert raised.value.code == "object_not_found"


def test_what_lies_below_a_folder_is_listed(store: ObjectStore, tmp_path: Path) -> None:
    assert store.keys_below("a") == []
    source = tmp_path / "source"
    source.touch()
    for key in ("a/2/deep/x", "a/1", "ab/1", "b"):
        put(store, source, key)

    assert store.keys_below("a") == ["a/1", "a/2/deep/x"]


def test_deleting_twice_is_no_error(store: ObjectStore, source: Path) -> None:
    put(store, source)

    store.delete(KEY)
    store.delete(KEY)

    assert store.size(KEY) is None
    assert put(store, source)


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "/etc/passwd", "a/../../b", "a//b", "a/", ".hidden", "a\\b", "a\0b", "a" * 201],
)
def test_no_key_leaves_the_store(store: ObjectStore, source: Path, key: str) -> None:
    for act in (
        lambda: put(store, source, key),
        lambda: store.size(key),
        lambda: store.delete(key),
        lambda: store.chunks(key),
        lambda: store.keys_below(key),
    ):
        with pytest.raises(Invalid):
            act()


def test_content_is_stored_once_under_its_own_digest(store: ObjectStore, source: Path) -> None:
    kind = "application/x-ndjson"
    first, again = (
        put_content(source, folder="files", suffix=".jsonl", content_type=kind, store=store)
        for _ in range(2)
    )
    assert first == again
    assert first.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert first.key == f"files/{first.sha256}.jsonl"
    assert store.keys_below("files") == [first.key]


def test_a_copy_is_made_in_the_store_and_stays_when_the_original_goes(
    store: ObjectStore, source: Path
) -> None:
    put(store, source)

    assert store.copy(KEY, "staged/one/rows.jsonl") == store.uri("staged/one/rows.jsonl")

    store.delete(KEY)
    assert store.keys_below("staged") == ["staged/one/rows.jsonl"]
    with store.open("staged/one/rows.jsonl") as stream:
        assert stream.read() == source.read_bytes()
    with pytest.raises(NotFound):
        store.copy(KEY, "staged/two/rows.jsonl")
    assert store.keys_below("staged") == ["staged/one/rows.jsonl"]
