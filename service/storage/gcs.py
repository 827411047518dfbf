"""Google Cloud Storage, or an emulator of it: an object store, and objects by `gs://` address."""

import base64
import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from service.errors import NotFound, Unavailable
from service.storage.addresses import check_gs_uri
from service.storage.gcs_errors import BucketNotFound, translated
from service.storage.object_keys import checked_key
from service.storage.ports import BucketAccess, ObjectStore, StoredObject

CHUNK_BYTES = 1 << 20
_PART_BYTES = 8 << 20  # one request while reading
_UPLOAD_BYTES = 2 << 20  # one while writing: the SDK holds each twice
_SPOOL_BYTES = 1 << 20  # larger objects are read from a temporary file, not from memory
_TIMEOUT_SECONDS = (5.0, 60.0)  # to connect, between two bytes
_SEE_BUCKET = "storage.buckets.get"
_PERMISSIONS = (
    _SEE_BUCKET,
    *(f"storage.objects.{name}" for name in ("get", "list", "create", "delete")),
)


def import_client() -> None:
    """Import Google's client now and not with the first store: its caller decides what with."""
    import google.cloud.storage  # noqa: F401  only to have it


class GcsStore:
    """Objects are blobs below `prefix`. The SDK's own `STORAGE_EMULATOR_HOST` names an emulator.

    The bucket must exist; only in an emulator it is made, in `region`, by the first object. With an
    `account`, calls are that service account's.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        project: str,
        region: str = "",
        account: str = "",
        retry_seconds: float = 30,
    ) -> None:
        from google.cloud.storage import Client
        from google.cloud.storage.retry import DEFAULT_RETRY

        self._prefix = prefix.strip("/")
        with translated(bucket, ""):
            own = _credentials(account) if account else None
            self._client = Client(project=project or None, credentials=own)
        self._bucket, self._region = self._client.bucket(bucket), region
        self._patience: dict[str, Any] = {
            "timeout": _TIMEOUT_SECONDS,
            "retry": DEFAULT_RETRY.with_timeout(retry_seconds),
        }
        self._bucket_is_there = not self._client.api_endpoint.startswith("http://")

    def put_file(self, key: str, path: Path, *, content_type: str) -> StoredObject:
        with translated(self._bucket.name, self._name(key)):
            self._make_emulated_bucket()
            created = self._find(key) is None and self._upload(key, path, content_type)
        return StoredObject(key, self.uri(key), path.stat().st_size, created)

    def copy(self, key: str, to: str) -> str:
        """A request that is repeated could come through after the copy was deleted: none is."""
        once: dict[str, Any] = {"timeout": _TIMEOUT_SECONDS, "retry": None}
        source, target = self._blob(key), self._blob(to)
        with translated(self._bucket.name, source.name):
            token, *_ = target.rewrite(source, if_generation_match=0, **once)
            while token:  # Google takes several calls for what is large and moves elsewhere
                token, *_ = target.rewrite(source, token=token, if_generation_match=0, **once)
        return self.uri(to)

    @contextmanager
    def open(self, key: str) -> Iterator[IO[bytes]]:
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as copy:
            with translated(self._bucket.name, self._name(key)):
                self._make_emulated_bucket()
                self._blob(key).download_to_file(copy, checksum="crc32c", **self._patience)
            copy.seek(0)
            yield copy

    def chunks(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        return self.read_blob(self._name(checked_key(key)), start=start, end=end)

    def read_blob(self, name: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of any object of the bucket by its full name, ours or not."""
        with translated(self._bucket.name, name):
            blob = self._get_blob(name)
        if blob is None:
            message = f"no object {name} in the bucket {self._bucket.name}, or no such bucket"
            raise NotFound(message, code="object_not_found")
        return self._read(blob, start, blob.size if end is None else min(end, blob.size))

    def names_below(self, folder: str) -> list[str]:
        """Return the full names of all objects in a folder of the bucket."""
        with translated(self._bucket.name, folder):
            found = self._bucket.list_blobs(prefix=f"{folder.strip('/')}/", **self._patience)
            return list(_names(found))

    def delete_below(self, folder: str) -> None:
        from google.api_core.exceptions import NotFound as GoogleNotFound

        with contextlib.suppress(BucketNotFound):  # that of an emulator is made later
            for name in self.names_below(self._name(checked_key(folder))):
                with translated(self._bucket.name, name), contextlib.suppress(GoogleNotFound):
                    self._bucket.blob(name).delete(**self._patience)

    def keys_below(self, folder: str) -> list[str]:
        own = len(self._name(""))
        try:
            return sorted(name[own:] for name in self.names_below(self._name(checked_key(folder))))
        except BucketNotFound:  # the bucket of an emulator is made by the first object
            return []

    def size(self, key: str) -> int | None:
        with translated(self._bucket.name, self._name(key)):
            blob = self._find(key)
        return None if blob is None else int(blob.size)

    def delete(self, key: str) -> None:
        from google.api_core.exceptions import NotFound as GoogleNotFound

        with translated(self._bucket.name, self._name(key)), contextlib.suppress(GoogleNotFound):
            self._blob(key).delete(**self._patience)

    def access(self) -> BucketAccess:
        """Return what we may do in the bucket; raises BucketNotFound, ProviderRefused, Unavailable.

        Only who may see the bucket itself learns where it is.
        """
        with translated(self._bucket.name, ""):
            held = self._bucket.test_iam_permissions(_PERMISSIONS, **self._patience)
            if _SEE_BUCKET in held:
                self._bucket.reload(**self._patience)
        regions = [str(each).lower() for each in self._bucket.data_locations or ()]
        location = str(self._bucket.location or "").upper()
        return BucketAccess(self._bucket.name, location, tuple(regions), frozenset(held))

    def uri(self, key: str) -> str:
        return f"gs://{self._bucket.name}/{self._name(key)}"

    def _name(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _blob(self, key: str) -> Any:
        return self._bucket.blob(self._name(checked_key(key)))

    def _find(self, key: str) -> Any:
        return self._get_blob(self._name(checked_key(key)))

    def _get_blob(self, name: str) -> Any:
        """Return what is known of an object; raises ValueError for an answer that is about none."""
        blob = self._bucket.get_blob(name, **self._patience)
        if blob is not None and blob.size is None:
            message = "an object without a size"
            raise ValueError(message)
        return blob

    def _make_emulated_bucket(self) -> None:
        from google.api_core.exceptions import Conflict

        if not self._bucket_is_there:
            with contextlib.suppress(Conflict):
                self._bucket.create(location=self._region or None, **self._patience)
            self._bucket_is_there = True

    def _upload(self, key: str, path: Path, content_type: str) -> bool:
        """Upload unless the object exists; return whether this call created it."""
        from google.api_core.exceptions import PreconditionFailed

        blob = self._blob(key)
        blob.chunk_size = _UPLOAD_BYTES
        size = path.stat().st_size
        try:
            with path.open("rb") as stream:
                blob.upload_from_file(
                    stream,
                    size=size if size <= _UPLOAD_BYTES else None,  # unknown is sent in parts
                    content_type=content_type,
                    if_generation_match=0,
                    checksum="crc32c",
                    **self._patience,
                )
        except PreconditionFailed:
            return False
        if blob.crc32c != _crc32c(path):
            blob.delete(**self._patience)
            raise Unavailable(f"{key} was damaged on its way", code="upload_damaged")
        return True

    def _read(self, blob: Any, start: int, end: int) -> Iterator[bytes]:
        for first in range(start, end, _PART_BYTES):
            last = min(first + _PART_BYTES, end) - 1
            with translated(self._bucket.name, blob.name):
                # Cloud Storage knows the checksums of whole objects only, and expands what is
                # stored with `Content-Encoding: gzip`, which then has no parts.
                part = blob.download_as_bytes(
                    start=first, end=last, checksum=None, raw_download=True, **self._patience
                )
                if len(part) != last - first + 1:
                    message = f"{len(part)} bytes of {last - first + 1} that were asked for"
                    raise ValueError(message)
            for offset in range(0, len(part), CHUNK_BYTES):
                yield part[offset : offset + CHUNK_BYTES]


def _credentials(account: str) -> Any:
    """Return a service account's credentials; an emulator of storage plays IAM, too."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    from service.impersonation import credentials_of

    address = Client(project="", credentials=AnonymousCredentials()).api_endpoint  # type: ignore[no-untyped-call]  # it ships no types
    return credentials_of(account, address)


def _crc32c(path: Path) -> str:
    import google_crc32c

    checksum: Any = google_crc32c.Checksum()  # type: ignore[no-untyped-call]  # it ships no types
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK_BYTES):
            checksum.update(piece)
    return base64.b64encode(checksum.digest()).decode()


def _names(found: Any) -> Iterator[str]:
    """Yield the names of a list; raises ValueError where a page of it comes again or is none."""
    tokens: set[str | None] = set()
    for page in found.pages:
        names = [blob.name for blob in page]
        token, listed = found.next_page_token, page.raw_page.get("items", [])
        is_list = isinstance(listed, list) and isinstance(token, str | None)
        if token in tokens or not is_list or not all(isinstance(name, str) for name in names):
            message = "the list of objects repeats itself, or is none"
            raise ValueError(message)
        yield from names
        tokens.add(token)


def read_gs_uri(uri: str, *, project: str, own: ObjectStore, account: str = "") -> Iterator[bytes]:
    """Yield the bytes of an object at `gs://bucket/name` in pieces of up to 1 MiB.

    They are read as a service account, unless that is empty. `own` is our store: its objects belong
    to projects and are not read by address.
    Raises Invalid `invalid_uri`, NotFound `object_not_found`, Unavailable.
    """
    bucket, name = check_gs_uri(uri)
    if uri.startswith(own.uri("")):
        raise NotFound("the service's own objects are not read by address", code="object_not_found")
    return GcsStore(bucket, "", project=project, account=account).read_blob(name)


def read_gs_objects(folder: str, *, project: str, account: str = "") -> Iterator[Iterator[bytes]]:
    """Yield the bytes of each object below `gs://bucket/folder`, as they are stored: of what
    Google's jobs have written. Raises Invalid `invalid_uri`, Unavailable.
    """
    bucket, name = check_gs_uri(folder)
    store = GcsStore(bucket, "", project=project, account=account)
    return map(store.read_blob, store.names_below(name))
