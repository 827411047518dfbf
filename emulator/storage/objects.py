"""Buckets and objects as stored, and the JSON that Cloud Storage shows for them."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from emulator.errors import StorageError


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and object name of a gs:// URI."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return bucket, name


@dataclass(frozen=True, slots=True)
class Bucket:
    name: str
    project: str
    location: str
    created: str

    def resource(self, base_url: str) -> dict[str, Any]:
        return {
            "kind": "storage#bucket",
            "id": self.name,
            "name": self.name,
            "selfLink": f"{base_url}/storage/v1/b/{self.name}",
            "projectNumber": self.project,
            "location": self.location,
            "locationType": "region" if "-" in self.location else "multi-region",
            "storageClass": "STANDARD",
            "timeCreated": self.created,
            "updated": self.created,
            "metageneration": "1",
            "etag": "CAE=",
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """An object as its uploader describes it; checksums are compared where they are given.

    `component_count` is set for a composed object, which like Google's has no MD5.
    """

    bucket: str
    name: str
    properties: dict[str, str]
    metadata: dict[str, str]
    crc32c: str | None = None
    md5: str | None = None
    component_count: int | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One generation of an object; checksums are base64 as in the JSON API.

    A composed object counts its components and has no MD5.
    """

    bucket: str
    name: str
    generation: int
    metageneration: int
    size_bytes: int
    crc32c: str
    md5: str | None
    created: str
    updated: str
    properties: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    component_count: int | None = None

    def resource(self, base_url: str) -> dict[str, Any]:
        path = f"/storage/v1/b/{self.bucket}/o/{quote(self.name, safe='')}"
        resource: dict[str, Any] = {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "name": self.name,
            "bucket": self.bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "size": str(self.size_bytes),
            "crc32c": self.crc32c,
            "etag": self.etag,
            "storageClass": "STANDARD",
            "timeCreated": self.created,
            "updated": self.updated,
            "selfLink": f"{base_url}{path}",
            "mediaLink": f"{base_url}/download{path}?generation={self.generation}&alt=media",
        }
        optional = {
            "md5Hash": self.md5,
            "componentCount": self.component_count,
            "metadata": self.metadata or None,
        }
        resource |= {name: value for name, value in optional.items() if value is not None}
        return resource | self.properties

    @property
    def etag(self) -> str:
        return f"{self.generation:x}/{self.metageneration:x}"


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold before a request is carried out; None asks nothing, 0 means absence."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    def check(self, current: StoredObject | None) -> None:
        """Raise StorageError 412 `conditionNotMet` when something does not hold."""
        generation = current.generation if current else 0
        metageneration = current.metageneration if current else 0
        broken = (
            self.generation_match not in {None, generation}
            or self.generation_not_match == generation
            or self.metageneration_match not in {None, metageneration}
            or self.metageneration_not_match == metageneration
        )
        if broken:
            raise StorageError(
                412,
                "At least one of the pre-conditions you specified did not hold.",
                reason="conditionNotMet",
            )
