"""Uploads: kept once, checked as they stream, seen by their own project only."""

import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from service.database import Sessions
from service.errors import Invalid, NotFound, Unavailable
from service.files.contents import FileLimits, TooLarge
from service.files.models import File
from service.files.operations import (
    create_file,
    get_file,
    list_files,
    read_file,
)
from service.files.schemas import present_file
from service.storage.local import LocalStore
from tests.support.erasure import delete
from tests.support.runs import add_project

LIMITS = FileLimits(upload_bytes=10_000, line_bytes=1000)
ROWS = b"text,sentiment\nso good,positive\n"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "objects")


@pytest.fixture
def project_id(sessions: Sessions) -> str:
    return add_project(sessions)


@pytest.fixture
def upload(sessions: Sessions, store: LocalStore, project_id: str) -> Any:
    def send(data: bytes | Iterable[bytes] = ROWS, **changes: Any) -> File:
        chunks = [data[:9], data[9:]] if isinstance(data, bytes) else data
        wish: dict[str, Any] = {"name": "rows.csv", "format": "csv", "digest": None}
        wish |= {"project_id": project_id} | changes
        return create_file(chunks, **wish, sessions=sessions, store=store, limits=LIMITS)

    return send


def objects(store: LocalStore) -> list[Path]:
    return [path for path in store._folder.rglob("*") if path.is_file()]


def test_an_upload_is_kept_in_its_project(
    upload: Any, sessions: Sessions, store: LocalStore, project_id: str
) -> None:
    file = upload(digest=hashlib.sha256(ROWS).hexdigest().upper())

    shown = present_file(get_file(file.id, project_id=project_id, sessions=sessions))
    assert shown.sha256 == hashlib.sha256(ROWS).hexdigest()
    assert (shown.name, shown.format, shown.size_bytes) == ("rows.csv", "csv", len(ROWS))
    assert file.object_key == f"projects/{project_id}/files/{file.id}"
    where: dict[str, Any] = {"project_id": project_id, "sessions": sessions, "store": store}
    assert b"".join(read_file(file.id, **where)) == ROWS
    assert b"".join(read_file(file.id, **where, start=5, end=14)) == b"sentiment"


def test_equal_uploads_have_an_object_each_that_goes_with_them(
    upload: Any, sessions: Sessions, store: LocalStore, project_id: str
) -> None:
    """An object shared by digest would reveal by its timing what others have uploaded."""
    first, second = upload(), upload(gzip.compress(ROWS, mtime=0))
    where: dict[str, Any] = {"project_id": project_id, "sessions": sessions}

    assert len(objects(store)) == 2
    delete(first.id, **where, store=store)
    assert b"".join(read_file(second.id, **where, store=store)) == ROWS
    delete(second.id, **where, store=store)
    assert objects(store) == []
    with pytest.raises(NotFound):
        delete(second.id, **where, store=store)


def test_files_of_older_versions_share_an_object_until_the_last_is_deleted(
    upload: Any, sessions: Sessions, store: LocalStore, project_id: str, tmp_path: Path
) -> None:
    first, second = upload(), upload()
    (tmp_path / "old").write_bytes(ROWS)
    store.put_file("files/digest", tmp_path / "old", content_type="text/csv")
    with sessions.transaction() as session:
        for file in (first, second):
            session.get_one(File, file.id).object_key = "files/digest"
    where: dict[str, Any] = {"project_id": project_id, "sessions": sessions, "store": store}

    delete(first.id, **where)
    assert b"".join(read_file(second.id, **where)) == ROWS
    delete(second.id, **where)
    assert store.size("files/digest") is None


def test_a_gzipped_upload_is_kept_expanded_and_its_digest_is_of_what_was_sent(
    upload: Any, store: LocalStore
) -> None:
    packed = gzip.compress(ROWS, mtime=0)

    file = upload(packed, digest=hashlib.sha256(packed).hexdigest())

    assert file.sha256 == hashlib.sha256(ROWS).hexdigest()
    assert file.size_bytes == store.size(file.object_key) == len(ROWS)


@pytest.mark.parametrize(
    ("data", "changes", "code"),
    [
        (b"", {}, "empty_file"),
        (b"\n\n", {}, "empty_file"),
        (b"PAR1\x00\x01", {}, "invalid_parquet"),
        (ROWS, {"format": "parquet"}, "invalid_parquet"),
        (b"", {"format": "parquet"}, "empty_file"),
        (b"a\0b", {}, "not_text"),
        (b"PK\x03\x04\x14\0", {}, "unreadable_archive"),
        (b'{"a": "caf\xe9"}', {"format": "jsonl"}, "wrong_encoding"),
        (b"text\n" + b"x" * 1001, {}, "line_too_long"),
        (ROWS, {"digest": "0" * 64}, "digest_mismatch"),
        (ROWS, {"format": "xlsx"}, "unknown_format"),
        (ROWS, {"name": "../rows.csv"}, "invalid_name"),
        (ROWS, {"name": ""}, "invalid_name"),
        (ROWS, {"name": "a" * 256}, "invalid_name"),
        (ROWS, {"name": "a\nb"}, "invalid_name"),
        (b"x\n" * 5001, {}, "too_large"),
        (gzip.compress(b"x\n" * 5001, mtime=0), {}, "too_large"),
        (gzip.compress(ROWS, mtime=0)[:-5], {}, "invalid_gzip"),
    ],
)
def test_a_bad_upload_is_refused_and_leaves_nothing(
    upload: Any,
    sessions: Sessions,
    store: LocalStore,
    project_id: str,
    data: bytes,
    changes: dict[str, Any],
    code: str,
) -> None:
    with pytest.raises(Invalid) as raised:
        upload(data, **changes)

    assert raised.value.code == code
    assert isinstance(raised.value, TooLarge) == (code == "too_large")
    assert objects(store) == []
    assert list_files(project_id, after=None, limit=10, sessions=sessions) == []


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_parquet_is_kept_as_it_is_whatever_it_is_said_to_be(upload: Any, form: str) -> None:
    data = b"PAR1" + bytes(range(256)) * 8 + b"PAR1"

    file = upload(data, format=form)

    assert (file.format, file.size_bytes) == ("parquet", len(data))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_table_may_be_in_any_encoding(upload: Any, encoding: str) -> None:
    data = "text,label\ncaf\u00e9,a\n".encode(encoding)

    assert upload(data).sha256 == hashlib.sha256(data).hexdigest()


def test_one_long_line_is_a_json_document(upload: Any) -> None:
    assert upload(b'{"data": [%s]}' % (b"0," * 900 + b"0"), format="json").size_bytes > 1000


def test_an_upload_that_breaks_off_leaves_nothing(
    upload: Any, sessions: Sessions, store: LocalStore, project_id: str
) -> None:
    def breaking() -> Iterable[bytes]:
        yield ROWS
        raise Unavailable("the client went away")

    with pytest.raises(Unavailable):
        upload(breaking())

    assert objects(store) == []
    assert list_files(project_id, after=None, limit=10, sessions=sessions) == []


def test_files_are_listed_newest_first_in_pages(
    upload: Any, sessions: Sessions, project_id: str
) -> None:
    ids = [upload(name=f"{number}.csv").id for number in range(5)]

    first = list_files(project_id, after=None, limit=3, sessions=sessions)
    second = list_files(project_id, after=first[-1].id, limit=3, sessions=sessions)

    assert [file.id for file in [*first, *second]] == ids[::-1]


def test_another_project_sees_no_file(upload: Any, sessions: Sessions, store: LocalStore) -> None:
    file = upload()
    stranger = add_project(sessions)

    assert list_files(stranger, after=None, limit=10, sessions=sessions) == []
    with pytest.raises(NotFound):
        get_file(file.id, project_id=stranger, sessions=sessions)
    with pytest.raises(NotFound):
        read_file(file.id, project_id=stranger, sessions=sessions, store=store)
    with pytest.raises(NotFound):
        delete(file.id, project_id=stranger, sessions=sessions, store=store)
    assert store.size(file.object_key) == len(ROWS)
