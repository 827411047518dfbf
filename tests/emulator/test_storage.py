"""Google's storage client against the emulated buckets."""

import os
import secrets
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed

from tests.support import plain_http
from tests.support.emulator import EmulatorProcess


@pytest.fixture
def bucket(storage: Any) -> Any:
    return storage.create_bucket(f"bucket-{secrets.token_hex(4)}")


def test_an_object_keeps_its_bytes_type_and_metadata(bucket: Any) -> None:
    blob = bucket.blob("folder one/ä?#%2F.txt")
    blob.metadata = {"sha256": "abc"}
    blob.upload_from_string("hello", content_type="text/plain")

    found = bucket.get_blob("folder one/ä?#%2F.txt")
    assert found.download_as_bytes() == b"hello"
    assert (found.size, found.content_type) == (5, "text/plain")
    assert found.metadata == {"sha256": "abc"}
    assert (found.crc32c, found.md5_hash) == ("mnG7TA==", "XUFAKrxLKna5cZ2REBfFkg==")


def test_an_upload_that_expects_no_object_fails_on_an_existing_one(bucket: Any) -> None:
    bucket.blob("once").upload_from_string("first", if_generation_match=0)
    with pytest.raises(PreconditionFailed, match="conditionNotMet"):
        bucket.blob("once").upload_from_string("second", if_generation_match=0)
    assert bucket.blob("once").download_as_bytes() == b"first"


def test_an_overwrite_and_a_delete_need_the_live_generation(bucket: Any) -> None:
    blob = bucket.blob("versioned")
    blob.upload_from_string("one")
    first = blob.generation
    blob.upload_from_string("two", if_generation_match=first)
    assert blob.generation > first
    with pytest.raises(PreconditionFailed):
        blob.delete(if_generation_match=first)
    blob.delete(if_generation_match=blob.generation)
    assert bucket.get_blob("versioned") is None


def test_a_resumable_upload_in_chunks_arrives_whole(bucket: Any) -> None:
    content = os.urandom(2 * 1024 * 1024 + 77)
    bucket.blob("big", chunk_size=512 * 1024).upload_from_string(content)
    assert bucket.blob("big").download_as_bytes() == content


def test_a_resumable_upload_checks_its_precondition(bucket: Any) -> None:
    bucket.blob("big").upload_from_string("there")
    blob = bucket.blob("big", chunk_size=256 * 1024)
    with pytest.raises(PreconditionFailed):
        blob.upload_from_string(b"x" * 300_000, if_generation_match=0)


def test_an_interrupted_upload_says_how_far_it_is(emulator: EmulatorProcess, bucket: Any) -> None:
    start = plain_http.post(
        f"{emulator.url}/upload/storage/v1/b/{bucket.name}/o",
        params={"uploadType": "resumable", "name": "slow"},
        timeout=300,
    )
    session = start.headers["location"]
    first = plain_http.put(
        session, content=b"abcd", headers={"Content-Range": "bytes 0-3/*"}, timeout=300
    )
    assert (first.status_code, first.headers["range"]) == (308, "bytes=0-3")
    asked = plain_http.put(session, headers={"Content-Range": "bytes */6"}, timeout=300)
    assert (asked.status_code, asked.headers["range"]) == (308, "bytes=0-3")
    last = plain_http.put(
        session, content=b"cdef", headers={"Content-Range": "bytes 2-5/6"}, timeout=300
    )
    assert last.json()["size"] == "6"
    assert bucket.blob("slow").download_as_bytes() == b"abcdef"


def test_a_wrong_checksum_is_refused(bucket: Any) -> None:
    blob = bucket.blob("sum")
    blob.md5_hash = "XUFAKrxLKna5cZ2REBfFkg=="
    with pytest.raises(BadRequest, match="MD5"):
        blob.upload_from_string("not hello")
    assert bucket.get_blob("sum") is None


@pytest.mark.parametrize(
    ("first", "last", "expected"), [(2, 4, b"234"), (7, None, b"789"), (5, 99, b"56789")]
)
def test_a_range_of_bytes_is_downloaded(
    bucket: Any, first: int, last: int | None, expected: bytes
) -> None:
    bucket.blob("digits").upload_from_string("0123456789")
    assert bucket.blob("digits").download_as_bytes(start=first, end=last) == expected


def test_a_download_carries_the_checksums(emulator: EmulatorProcess, bucket: Any) -> None:
    bucket.blob("hello").upload_from_string("hello")
    url = f"{emulator.url}/storage/v1/b/{bucket.name}/o/hello"
    response = plain_http.get(url, params={"alt": "media"}, timeout=300)
    assert response.headers["x-goog-hash"] == "crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg=="
    beyond = plain_http.get(
        url, params={"alt": "media"}, headers={"Range": "bytes=9-"}, timeout=300
    )
    assert beyond.status_code == 416


def test_lists_are_paged_by_prefix_and_fold_at_the_delimiter(storage: Any, bucket: Any) -> None:
    for name in ("a/1", "a/2", "a/b/3", "c", "d"):
        bucket.blob(name).upload_from_string(name)
    paged = storage.list_blobs(bucket, page_size=2)
    assert [len(list(page)) for page in paged.pages] == [2, 2, 1]
    folded = storage.list_blobs(bucket, delimiter="/", page_size=1)
    assert [blob.name for blob in folded] == ["c", "d"]
    assert folded.prefixes == {"a/"}
    below = storage.list_blobs(bucket, prefix="a/", delimiter="/")
    assert [blob.name for blob in below] == ["a/1", "a/2"]


def test_metadata_is_changed_without_touching_the_bytes(bucket: Any) -> None:
    blob = bucket.blob("described")
    blob.metadata = {"kept": "1", "dropped": "2"}
    blob.upload_from_string("x")
    generation = blob.generation
    blob.metadata = {"kept": "1", "dropped": None, "new": "3"}
    blob.patch()
    found = bucket.get_blob("described")
    assert found.metadata == {"kept": "1", "new": "3"}
    assert (found.generation, found.metageneration) == (generation, 2)


def test_buckets_are_created_once_listed_and_deleted_when_empty(storage: Any, bucket: Any) -> None:
    assert bucket.name in {found.name for found in storage.list_buckets()}
    with pytest.raises(Conflict):
        storage.create_bucket(bucket.name)
    bucket.blob("last").upload_from_string("x")
    with pytest.raises(Conflict, match="not empty"):
        bucket.delete()
    bucket.blob("last").delete()
    bucket.delete()
    assert not bucket.exists()


def test_what_is_not_there_is_not_found(storage: Any, bucket: Any) -> None:
    with pytest.raises(NotFound):
        bucket.blob("nothing").download_as_bytes()
    with pytest.raises(NotFound):
        storage.get_bucket("no-such-bucket")
    with pytest.raises(NotFound):
        storage.bucket("no-such-bucket").blob("x").upload_from_string("x")
