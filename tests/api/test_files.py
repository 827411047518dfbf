"""Files over HTTP."""

import base64
import contextlib
import gzip
import hashlib
import select
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx2
import pytest
import zstandard

from service.settings import Settings
from tests.api.problems import problem_of
from tests.api.server import Api, Caller, serve
from tests.support.eventually import eventually

PARQUET = b"PAR1" + bytes(range(256)) + b"PAR1"
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "application/gzip": gzip.compress,
    "application/zstd": zstandard.compress,
    "application/octet-stream": bytes,
}
ROWS = b"text,target\r\ngood,positive\r\nbad,negative\r\n"


def _digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def test_an_upload_is_kept_and_can_be_read_again(caller: Caller) -> None:
    answer = caller.upload(
        ROWS, params={"name": "reviews.csv"}, headers={"Content-Digest": _digest(ROWS)}
    )

    file = answer.json()
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/files/{file['id']}"
    assert (file["name"], file["format"], file["size_bytes"]) == ("reviews.csv", "csv", len(ROWS))
    assert file["sha256"] == hashlib.sha256(ROWS).hexdigest()
    assert caller.get(f"/v1/files/{file['id']}").json() == file
    assert caller.get("/v1/files").json()["data"] == [file]

    content = caller.get(f"/v1/files/{file['id']}/content")
    assert content.content == ROWS
    assert content.headers["Content-Type"].startswith("text/csv")
    assert content.headers["X-Content-Type-Options"] == "nosniff"
    assert content.headers["Content-Disposition"] == f'attachment; filename="{file["id"]}.csv"'
    assert content.headers["Content-Length"] == str(len(ROWS))


@pytest.mark.parametrize(
    ("media_type", "content", "expected"),
    [
        ("application/x-ndjson", b'{"a": 1}\n', "jsonl"),
        ("application/jsonl", b'{"a": 1}\n', "jsonl"),
        ("text/csv; charset=utf-8", ROWS, "csv"),
        ("application/json", b'[{"a": 1}]', "json"),
        ("text/tab-separated-values", b"a\tb\n1\t2\n", "tsv"),
        ("application/vnd.apache.parquet", PARQUET, "parquet"),
        ("text/csv", PARQUET, "parquet"),
    ],
)
def test_the_media_type_says_how_rows_are_written(
    caller: Caller, media_type: str, content: bytes, expected: str
) -> None:
    assert caller.upload(content, media_type).json()["format"] == expected


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("rows.csv.gz", ROWS, "csv"),
        ("rows.JSON.GZ", b'{"a": 1}\n{"a": 2}\n', "json"),
        ("rows", ROWS, "csv"),
        ("rows", b'{"a": 1}\n{"a": 2}\n', "jsonl"),
        ("rows.gz", b' [{"a": 1}]', "json"),
        ("rows", b'{"data":\n[]}', "json"),
        ("rows.tsv", b"a\tb\n", "tsv"),
        ("rows.csv.zst", ROWS, "csv"),
        ("rows", PARQUET, "parquet"),
        ("rows", b"{" * 100_000, "json"),
    ],
)
def test_what_is_inside_is_known_by_the_name_or_the_bytes(
    caller: Caller, name: str, content: bytes, expected: str
) -> None:
    for media_type, pack in PACKINGS.items():
        packed = pack(content)
        answer = caller.upload(packed, media_type, params={"name": name})

        assert answer.status_code == 201, answer.text
        assert answer.json()["format"] == expected, media_type
        assert answer.json()["size_bytes"] == len(content)
        assert answer.json()["sent_size_bytes"] == len(packed)
        assert answer.json()["sent_sha256"] == hashlib.sha256(packed).hexdigest()


@pytest.mark.parametrize("media_type", ["multipart/form-data; boundary=x", "image/png", ""])
def test_other_media_types_are_refused_by_name(caller: Caller, media_type: str) -> None:
    problem = problem_of(caller.upload(ROWS, media_type), 415, "unsupported_media_type")

    assert "text/csv" in problem["detail"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"a\0b", "not_text"),
        (b"%PDF-1.7", "unreadable_archive"),
        (b"PAR1", "invalid_parquet"),
        (b'"' + b"x" * (2 << 20) + b'"', "line_too_long"),
    ],
)
def test_bytes_that_are_no_rows_are_refused(caller: Caller, content: bytes, code: str) -> None:
    problem_of(caller.upload(content), 422, code)

    assert caller.get("/v1/files").json()["data"] == []


def test_json_lines_are_utf_8_and_tables_may_be_in_any_encoding(caller: Caller) -> None:
    content = b'{"a": "caf\xe9"}\n'

    problem = problem_of(caller.upload(content, "application/x-ndjson"), 422, "wrong_encoding")

    assert "row 1" in problem["detail"]
    assert caller.upload(content).status_code == 201


def test_damaged_gzip_is_refused(caller: Caller) -> None:
    content = gzip.compress(ROWS)[:-6]

    problem_of(caller.upload(content, "application/gzip"), 422, "invalid_gzip")


def test_a_digest_that_does_not_match_is_refused(caller: Caller) -> None:
    headers = {"Content-Digest": _digest(b"other bytes")}

    problem_of(caller.upload(ROWS, headers=headers), 422, "digest_mismatch")


@pytest.mark.parametrize("digest", ["sha-256=abc", "sha-256=:YWJj:", "md5=:YWJj:", "nonsense"])
def test_a_digest_that_is_none_is_refused(caller: Caller, digest: str) -> None:
    problem_of(caller.upload(ROWS, headers={"Content-Digest": digest}), 422, "invalid_digest")


@pytest.mark.parametrize("name", ["a/b", "", "x" * 256, "a\tb"])
def test_a_name_must_be_a_name(caller: Caller, name: str) -> None:
    problem_of(caller.upload(ROWS, params={"name": name}), 422, "invalid_name")


def test_a_deleted_file_is_gone(caller: Caller) -> None:
    file_id = caller.upload(ROWS).json()["id"]

    assert caller.delete(f"/v1/files/{file_id}").status_code == 200
    problem_of(caller.get(f"/v1/files/{file_id}"), 404, "file_not_found")
    problem_of(caller.get(f"/v1/files/{file_id}/content"), 404, "file_not_found")
    problem_of(caller.delete(f"/v1/files/{file_id}"), 404, "file_not_found")


@pytest.mark.parametrize(
    ("header", "status", "expected"),
    [
        ("bytes=0-3", 206, ROWS[:4]),
        ("bytes=5-", 206, ROWS[5:]),
        ("bytes=-8", 206, ROWS[-8:]),
        ("bytes=0-100000", 206, ROWS),
        ("bytes=0-1,4-5", 200, ROWS),
        ("bytes=3-1", 200, ROWS),
        ("lines=0-1", 200, ROWS),
    ],
)
def test_a_range_of_the_bytes_can_be_read(
    caller: Caller, header: str, status: int, expected: bytes
) -> None:
    file_id = caller.upload(ROWS).json()["id"]

    answer = caller.get(f"/v1/files/{file_id}/content", headers={"Range": header})

    assert (answer.status_code, answer.content) == (status, expected)
    if status == 206:
        start = ROWS.index(expected) if expected != ROWS else 0
        end = start + len(expected) - 1
        assert answer.headers["Content-Range"] == f"bytes {start}-{end}/{len(ROWS)}"


def test_a_range_past_the_end_is_refused(caller: Caller) -> None:
    file_id = caller.upload(ROWS).json()["id"]

    answer = caller.get(f"/v1/files/{file_id}/content", headers={"Range": "bytes=999-"})

    problem_of(answer, 416, "range_not_satisfiable")


def _lines(count: int) -> Iterator[bytes]:
    line = b"x" * 1023 + b"\n"
    chunk = line * 64
    for _ in range(count // 64):
        yield chunk


def test_a_large_upload_passes_through_without_being_held(caller: Caller) -> None:
    tracemalloc.start()
    try:
        answer = caller.upload(b"text\n" + next(_lines(64)))
        assert answer.status_code == 201
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        large = caller.request(
            "POST", "/v1/files", content=_lines(50 * 1024), headers={"Content-Type": "text/csv"}
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert large.status_code == 201, large.text
    assert large.json()["size_bytes"] == 50 << 20
    assert peak - before < 12 << 20


def test_an_upload_over_the_limit_is_refused_however_it_comes(caller: Caller) -> None:
    headers = {"Content-Type": "text/csv", "Content-Length": str(66 << 20)}

    streamed = caller.request(
        "POST", "/v1/files", content=_lines(66 * 1024), headers={"Content-Type": "text/csv"}
    )
    bomb = caller.upload(gzip.compress(next(_lines(64)) * 1100), "application/gzip")
    announced = caller.request("POST", "/v1/files", content=_lines(66 * 1024), headers=headers)

    problem_of(streamed, 413, "too_large")
    problem_of(bomb, 413, "too_large")
    problem_of(announced, 413, "too_large")
    assert caller.get("/v1/files").json()["data"] == []


def test_a_client_that_leaves_in_the_middle_leaves_nothing(api: Api, caller: Caller) -> None:
    ready = threading.Event()

    def broken() -> Iterator[bytes]:
        yield b"text\n" * 1000
        ready.set()
        raise ConnectionAbortedError

    with pytest.raises((ConnectionAbortedError, httpx2.TransportError)):
        caller.request("POST", "/v1/files", content=broken(), headers={"Content-Type": "text/csv"})

    assert ready.is_set()
    assert caller.get("/v1/files").json()["data"] == []


@contextlib.contextmanager
def _stopped_upload(api: Api, caller: Caller, path: str = "/v1/files") -> Iterator[socket.socket]:
    """Yield a connection whose body the server has begun to read and which sends no more."""
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port), timeout=300) as connection:
        headers = {
            "Host": address.netloc,
            "Authorization": f"Bearer {caller.secret}",
            "Content-Type": "application/json" if path == "/v1/jobs" else "text/csv",
            "Content-Length": "1000",
            "Expect": "100-continue",
        }
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"text")
        yield connection


def test_uploads_that_stop_keep_no_one_else_waiting(api: Api, caller: Caller) -> None:
    with contextlib.ExitStack() as uploads:
        for other in [api.caller() for _ in range(6)]:
            for _ in range(7):
                uploads.enter_context(_stopped_upload(api, other))
        assert api.get("/healthz").status_code == 200
        assert caller.get("/v1/jobs").status_code == 200
        assert caller.upload(ROWS).status_code == 201


def test_a_key_has_a_limit_of_uploads_and_gets_them_back(api: Api, caller: Caller) -> None:
    with contextlib.ExitStack() as uploads:
        for _ in range(8):
            uploads.enter_context(_stopped_upload(api, caller))
        problem_of(caller.upload(ROWS), 429, "too_many_uploads")
        assert api.caller().upload(ROWS).status_code == 201

    eventually(lambda: caller.upload(ROWS).status_code == 201, what="the ended ones still count")


def test_a_body_that_drips_is_given_up(settings: Settings) -> None:
    patient = settings.model_copy(update={"body_idle_seconds": 0.5})
    with serve(patient) as api, _stopped_upload(api, api.caller()) as connection:
        while not select.select([connection], [], [], 0.05)[0]:
            connection.sendall(b"x")
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_an_upload_that_outlives_its_key_is_refused(api: Api, caller: Caller) -> None:
    other = api.caller()
    key_id = other.get("/v1/me").json()["key"]
    with _stopped_upload(api, other) as connection:
        assert caller.delete(f"/v1/keys/{key_id}").status_code == 204
        connection.sendall(b"x" * 996)
        assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")

    assert caller.get("/v1/files").json()["data"] == []


@pytest.mark.parametrize("path", ["/v1/files", "/v1/jobs"])
def test_a_body_that_stops_is_given_up(settings: Settings, path: str) -> None:
    patient = settings.model_copy(update={"body_idle_seconds": 0.2})
    with serve(patient) as api, _stopped_upload(api, api.caller(), path) as connection:
        answer = b"".join(iter(lambda: connection.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body_stopped"' in answer
