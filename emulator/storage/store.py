"""Buckets and objects in a folder, safe under kill -9: bytes first, then the record naming them."""

import hashlib
import re
import secrets
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import google_crc32c

from emulator.clock import timestamp
from emulator.documents import Documents, empty_folder, read_folder, write_json
from emulator.errors import StorageError
from emulator.storage.objects import Bucket, Draft, Preconditions, StoredObject, split_uri

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_LONGEST_NAME_BYTES = 1024
_SEPARATOR = "\n"
"""Between bucket and name in a key; a bucket's name has none."""
_CHECKSUM: Any = google_crc32c.Checksum


class ObjectIndex:
    """The live generation of each object by bucket and name."""

    def __init__(self, path: Path) -> None:
        self._documents = Documents(path)

    def close(self) -> None:
        self._documents.close()

    def clear(self) -> None:
        self._documents.clear()

    def find(self, bucket: str, name: str) -> StoredObject | None:
        document = self._documents.get(f"{bucket}{_SEPARATOR}{name}")
        return StoredObject(**document) if document else None

    def put(self, stored: StoredObject, *, payload: str) -> None:
        """Record an object; `payload` names the file with its bytes."""
        key = f"{stored.bucket}{_SEPARATOR}{stored.name}"
        self._documents.put(key, asdict(stored), tag=payload)

    def delete(self, stored: StoredObject) -> None:
        self._documents.delete(f"{stored.bucket}{_SEPARATOR}{stored.name}")

    def names(self, bucket: str, *, prefix: str = "", after: str = "") -> Iterator[str]:
        """Yield in order the names with the prefix that come after a name."""
        start = f"{bucket}{_SEPARATOR}"
        for key in self._documents.keys(prefix=start + prefix, after=start + after):
            yield key.removeprefix(start)

    def payloads(self) -> set[str]:
        return set(self._documents.tags())


class Payload:
    """A growing file with the checksums Cloud Storage keeps; `write` costs no second reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self._crc32c = _CHECKSUM()
        self._md5 = hashlib.md5(usedforsecurity=False)
        path.touch()

    def write(self, chunk: bytes) -> None:
        with self.path.open("ab") as stream:
            stream.write(chunk)
        self.size_bytes += len(chunk)
        self._crc32c.update(chunk)
        self._md5.update(chunk)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)

    @property
    def crc32c(self) -> str:
        return b64encode(self._crc32c.digest()).decode()

    @property
    def md5(self) -> str:
        return b64encode(self._md5.digest()).decode()


class ObjectStore:
    """Buckets are in memory and in `buckets/`, objects in an index on disk, bytes in files."""

    def __init__(self, root: Path) -> None:
        self._folders = {name: root / name for name in ("buckets", "payloads", "uploads")}
        for folder in self._folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        buckets = [Bucket(**document) for document in read_folder(self._folders["buckets"])]
        self._buckets = {bucket.name: bucket for bucket in buckets}
        self._objects = ObjectIndex(root / "objects.sqlite")
        self.objects_written = 0
        self._drop_orphans()

    def _drop_orphans(self) -> None:
        empty_folder(self._folders["uploads"])
        kept = self._objects.payloads()
        for path in self._folders["payloads"].iterdir():
            if path.name not in kept:
                path.unlink()

    def close(self) -> None:
        self._objects.close()

    def clear(self) -> None:
        for folder in self._folders.values():
            empty_folder(folder)
        self._buckets.clear()
        self._objects.clear()
        self.objects_written = 0

    def create_bucket(self, name: str, *, project: str, location: str) -> Bucket:
        if not _BUCKET_NAME.fullmatch(name):
            raise StorageError(400, f"Invalid bucket name: '{name}'", reason="invalid")
        if name in self._buckets:
            message = (
                "Your previous request to create the named bucket succeeded and you already own it."
            )
            raise StorageError(409, message, reason="conflict")
        bucket = Bucket(name=name, project=project, location=location, created=timestamp())
        self._buckets[name] = bucket
        write_json(self._folders["buckets"] / f"{name}.json", asdict(bucket))
        return bucket

    def get_bucket(self, name: str) -> Bucket:
        if name not in self._buckets:
            raise StorageError(404, "The specified bucket does not exist.", reason="notFound")
        return self._buckets[name]

    def list_buckets(self, project: str) -> dict[str, Bucket]:
        return {name: found for name, found in self._buckets.items() if found.project == project}

    def delete_bucket(self, name: str) -> None:
        self.get_bucket(name)
        if any(True for _ in self._objects.names(name)):
            message = "The bucket you tried to delete is not empty."
            raise StorageError(409, message, reason="conflict")
        (self._folders["buckets"] / f"{name}.json").unlink(missing_ok=True)
        del self._buckets[name]

    def names(self, bucket: str, *, prefix: str = "", after: str = "") -> Iterator[str]:
        """Return the names of a bucket's objects in order, read as they are asked for."""
        self.get_bucket(bucket)
        return self._objects.names(bucket, prefix=prefix, after=after)

    def find(self, bucket: str, name: str) -> StoredObject | None:
        return self._objects.find(bucket, name)

    def get(self, bucket: str, name: str, *, generation: int | None = None) -> StoredObject:
        """Return the object; only the live generation exists, as without object versioning."""
        stored = self.find(bucket, name)
        if stored is None or generation not in {None, stored.generation}:
            raise StorageError(404, f"No such object: {bucket}/{name}", reason="notFound")
        return stored

    def new_payload(self) -> Payload:
        return Payload(self._folders["uploads"] / secrets.token_hex(16))

    def path_of(self, uri: str) -> Path:
        """Return the file of a gs:// URI. Raises StorageError 404 for a missing object."""
        return self.payload_path(self.get(*split_uri(uri)))

    def payload_path(self, stored: StoredObject) -> Path:
        return self._folders["payloads"] / str(stored.generation)

    def put(self, draft: Draft, payload: Payload, *, preconditions: Preconditions) -> StoredObject:
        """Make the payload the object's live generation; the check and the change are one step."""
        try:
            current = self.check_upload(draft, preconditions)
            _check_sums(draft, payload)
        except StorageError:
            payload.discard()
            raise
        now = timestamp()
        stored = StoredObject(
            bucket=draft.bucket,
            name=draft.name,
            generation=max(time.time_ns() // 1000, current.generation + 1 if current else 0),
            metageneration=1,
            size_bytes=payload.size_bytes,
            crc32c=payload.crc32c,
            md5=None if draft.component_count else payload.md5,
            created=now,
            updated=now,
            properties=draft.properties,
            metadata=draft.metadata,
            component_count=draft.component_count,
        )
        while self.payload_path(stored).exists():
            stored = replace(stored, generation=stored.generation + 1)
        payload.path.replace(self.payload_path(stored))
        self._record(stored)
        self.objects_written += 1
        if current:
            self.payload_path(current).unlink(missing_ok=True)
        return stored

    def check_upload(self, draft: Draft, preconditions: Preconditions) -> StoredObject | None:
        """Return the live generation an upload would replace; raises when it may not begin."""
        self.get_bucket(draft.bucket)
        if not 0 < len(draft.name.encode()) <= _LONGEST_NAME_BYTES:
            raise StorageError(
                400, "Required object name is missing or too long.", reason="required"
            )
        current = self.find(draft.bucket, draft.name)
        preconditions.check(current)
        return current

    def change(
        self, stored: StoredObject, *, properties: Mapping[str, str], metadata: Mapping[str, str]
    ) -> StoredObject:
        """Replace what describes an object, but not its bytes and its generation."""
        changed = replace(
            stored,
            metageneration=stored.metageneration + 1,
            updated=timestamp(),
            properties=dict(properties),
            metadata=dict(metadata),
        )
        self._record(changed)
        return changed

    def delete(self, stored: StoredObject) -> None:
        self._objects.delete(stored)
        self.payload_path(stored).unlink(missing_ok=True)

    def _record(self, stored: StoredObject) -> None:
        self._objects.put(stored, payload=self.payload_path(stored).name)


def _check_sums(draft: Draft, payload: Payload) -> None:
    pairs = (("CRC32C", draft.crc32c, payload.crc32c), ("MD5", draft.md5, payload.md5))
    for name, stated, found in pairs:
        if stated is not None and stated != found:
            message = f'Provided {name} "{stated}" doesn\'t match calculated {name} "{found}".'
            raise StorageError(400, message, reason="invalid")
