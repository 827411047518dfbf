"""Copies, compositions and generations, through Google's storage client."""

import secrets
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, NotFound, PreconditionFailed


@pytest.fixture
def bucket(storage: Any) -> Any:
    return storage.create_bucket(f"bucket-{secrets.token_hex(4)}")


def put(bucket: Any, name: str, content: str, **metadata: str) -> Any:
    blob = bucket.blob(name)
    blob.metadata = metadata or None
    blob.upload_from_string(content, content_type="text/plain")
    return blob


def test_a_rewrite_copies_bytes_and_description_between_buckets(storage: Any, bucket: Any) -> None:
    source = put(bucket, "folder/ä one.txt", "hello", owner="lab")
    other = storage.create_bucket(f"bucket-{secrets.token_hex(4)}")
    token, written, total = other.blob("copies/one.txt").rewrite(source)
    assert (token, written, total) == (None, 5, 5)
    copy = other.get_blob("copies/one.txt")
    assert copy.download_as_bytes() == b"hello"
    assert (copy.content_type, copy.metadata) == ("text/plain", {"owner": "lab"})
    assert (copy.crc32c, copy.md5_hash) == (source.crc32c, source.md5_hash)
    assert copy.metageneration == 1


def test_a_rewrite_may_describe_its_copy_anew(bucket: Any) -> None:
    source = put(bucket, "one", "hello", owner="lab")
    copy = bucket.blob("two")
    copy.content_type = "text/html"
    copy.rewrite(source)
    found = bucket.get_blob("two")
    assert (found.content_type, found.metadata) == ("text/html", None)


def test_a_bucket_copies_and_renames_its_objects(bucket: Any) -> None:
    source = put(bucket, "one", "hello")
    copy = bucket.copy_blob(source, bucket, "two", if_generation_match=0)
    assert copy.download_as_bytes() == b"hello"
    renamed = bucket.rename_blob(copy, "three")
    assert {blob.name for blob in bucket.list_blobs()} == {"one", "three"}
    assert renamed.download_as_bytes() == b"hello"


def test_a_copy_keeps_to_the_generations_it_names(bucket: Any) -> None:
    source = put(bucket, "one", "first")
    target = put(bucket, "two", "there")
    copy = bucket.blob("two")
    with pytest.raises(PreconditionFailed):
        copy.rewrite(source, if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        copy.rewrite(source, if_source_generation_match=source.generation + 1)
    with pytest.raises(NotFound):
        bucket.copy_blob(source, bucket, "two", source_generation=source.generation + 1)
    assert bucket.get_blob("two").generation == target.generation
    copy.rewrite(
        source,
        if_generation_match=target.generation,
        if_source_generation_match=source.generation,
    )
    assert bucket.blob("two").download_as_bytes() == b"first"


def test_what_is_not_there_is_not_copied(bucket: Any, storage: Any) -> None:
    with pytest.raises(NotFound):
        bucket.blob("two").rewrite(bucket.blob("missing"))
    with pytest.raises(NotFound):
        storage.bucket("no-such-bucket").blob("two").rewrite(put(bucket, "one", "x"))


def test_objects_are_composed_in_order_and_have_no_md5(bucket: Any) -> None:
    parts = [put(bucket, f"part-{number}", f"{number};") for number in range(3)]
    whole = bucket.blob("whole")
    whole.content_type = "application/jsonl"
    whole.compose(parts, if_generation_match=0)
    found = bucket.get_blob("whole")
    assert found.download_as_bytes() == b"0;1;2;"
    assert (found.content_type, found.component_count) == ("application/jsonl", 3)
    assert found.md5_hash is None
    put(bucket, "tail", "end")
    found.compose([found, bucket.blob("tail")], if_generation_match=found.generation)
    assert bucket.get_blob("whole").component_count == 4
    assert bucket.blob("whole").download_as_bytes(start=4) == b"2;end"


def test_a_composition_keeps_to_the_generations_it_names(bucket: Any) -> None:
    parts = [put(bucket, "a", "a"), put(bucket, "b", "b")]
    generations = [part.generation for part in parts]
    whole = bucket.blob("whole")
    with pytest.raises(PreconditionFailed):
        whole.compose(parts, if_source_generation_match=[generations[0], generations[1] + 1])
    whole.compose(parts, if_source_generation_match=generations)
    with pytest.raises(PreconditionFailed):
        whole.compose(parts, if_generation_match=0)


def test_a_composition_may_delete_its_sources(bucket: Any) -> None:
    parts = [put(bucket, "a", "a"), put(bucket, "b", "b")]
    bucket.blob("whole").compose(parts, delete_source_objects=True)
    assert [blob.name for blob in bucket.list_blobs()] == ["whole"]


def test_a_composition_of_none_of_too_many_or_of_missing_objects_is_refused(bucket: Any) -> None:
    one = put(bucket, "one", "1")
    for sources in ([], [one] * 33):
        with pytest.raises(BadRequest, match="1 to 32"):
            bucket.blob("whole").compose(sources)
    with pytest.raises(NotFound):
        bucket.blob("whole").compose([one, bucket.blob("missing")])
    assert bucket.get_blob("whole") is None


def test_an_older_generation_can_neither_be_read_nor_deleted(bucket: Any) -> None:
    first = put(bucket, "one", "first")
    old = first.generation
    second = put(bucket, "one", "second")
    with pytest.raises(NotFound):
        bucket.delete_blob("one", generation=old)
    with pytest.raises(PreconditionFailed):
        bucket.delete_blob("one", if_generation_match=old)
    bucket.delete_blob("one", if_generation_match=second.generation)
    with pytest.raises(NotFound):
        bucket.delete_blob("one")
