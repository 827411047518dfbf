"""Opening stores by their setting and reading what others own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import Invalid, NotFound, Unavailable
from service.storage.gcs import GcsStore, read_gs_uri
from service.storage.local import LocalStore
from service.storage.stores import open_store
from tests.support.emulator import start_emulator


@pytest.fixture(scope="module")
def emulator_url() -> Iterator[str]:
    with start_emulator() as emulator:
        yield emulator.url


@pytest.mark.parametrize(
    "storage", ["", "file:", "folder", "s3://bucket", "gs://", "gs://UPPER/x", "http://bucket/x"]
)
def test_an_unknown_storage_is_refused_and_the_known_ones_are_named(storage: str) -> None:
    with pytest.raises(Invalid, match=r"file:/folder, gs://bucket/prefix"):
        open_store(storage, project="")


def test_a_foreign_object_is_read_by_its_address(
    emulator_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator_url)
    source = tmp_path / "source"
    source.write_bytes(b"text,target\n")
    GcsStore("theirs", "data", project="p").put_file("rows.csv", source, content_type="text/csv")
    ours = LocalStore(tmp_path / "objects")

    assert b"".join(read_gs_uri("gs://theirs/data/rows.csv", project="p", own=ours)) == (
        b"text,target\n"
    )
    with pytest.raises(NotFound):
        read_gs_uri("gs://theirs/data/other.csv", project="p", own=ours)
    with pytest.raises(NotFound):
        read_gs_uri("gs://no-such-bucket/rows.csv", project="p", own=ours)


def test_our_own_objects_are_not_read_by_address(
    emulator_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator_url)
    source = tmp_path / "source"
    source.write_bytes(b"another project's rows\n")
    ours = GcsStore("ours", "objects", project="p")
    stored = ours.put_file("files/a", source, content_type="text/plain")

    with pytest.raises(NotFound):
        read_gs_uri(stored.uri, project="p", own=ours)


@pytest.mark.parametrize("uri", ["", "gs://bucket", "gs://bucket/", "file:/etc/passwd", "gs:///a"])
def test_what_is_no_address_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as raised:
        read_gs_uri(uri, project="p", own=LocalStore(tmp_path))

    assert raised.value.code == "invalid_uri"


def test_a_server_that_is_away_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    store = GcsStore("bucket", "", project="p", retry_seconds=0.1)
    source = tmp_path / "source"
    source.touch()

    for act in (
        lambda: store.size("a"),
        lambda: store.put_file("a", source, content_type="text/plain"),
        lambda: store.delete("a"),
        lambda: store.open("a").__enter__(),
    ):
        with pytest.raises(Unavailable):
            act()
