"""Opening stores by their setting and reading what others own."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from service.errors import Invalid, NotFound, ProviderRefused, Unavailable
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


class _Refusing(BaseHTTPRequestHandler):
    """Answers every request as Cloud Storage refuses it; the status is the server's."""

    def do_GET(self) -> None:
        status, words = self.server.refusal  # type: ignore[attr-defined]
        body = json.dumps({"error": {"code": status, "message": words}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  the name http.server looks for

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "words", "code", "reported"),
    [
        (403, "no access", "storage_forbidden", "roles/storage.objectAdmin"),
        (404, "The specified bucket does not exist.", "bucket_not_found", "no bucket the-bucket"),
    ],
)
def test_a_refusal_names_the_bucket_and_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    words: str,
    code: str,
    reported: str,
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    server.refusal = (status, words)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
    store = GcsStore("the-bucket", "", project="p", retry_seconds=5)
    source = tmp_path / "source"
    source.write_bytes(b"x")
    try:
        with pytest.raises(ProviderRefused, match=reported) as caught:
            store.put_file("a", source, content_type="text/plain")
        assert caught.value.code == code
        assert "the-bucket" in caught.value.message
        assert not caught.value.retryable
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
