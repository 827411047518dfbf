"""Operations on files: upload, list, read, remove."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from service.clock import utc_now
from service.database import Session, Sessions
from service.errors import Fault, Invalid, NotFound
from service.files import repository
from service.files.compression import expanded, refuse_archives
from service.files.contents import FileLimits, checked_text, limited, with_head
from service.files.models import File
from service.files.schemas import FileFormat
from service.ids import Prefix, new_id
from service.storage.leftovers import Leftover, LeftoverKind
from service.storage.object_keys import project_folder
from service.storage.ports import ObjectStore
from service.work_folders import work_folder

CONTENT_TYPES = {
    FileFormat.JSONL: "application/x-ndjson",
    FileFormat.CSV: "text/csv",
    FileFormat.TSV: "text/tab-separated-values",
    FileFormat.JSON: "application/json",
    FileFormat.PARQUET: "application/vnd.apache.parquet",
}
PARQUET_MAGIC = b"PAR1"
_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")


def create_file(
    chunks: Iterable[bytes],
    *,
    name: str,
    format: str,  # noqa: A002  the word of the API
    digest: str | None,
    project_id: str,
    sessions: Sessions,
    store: ObjectStore,
    limits: FileLimits,
) -> File:
    """Store an upload; gzip and Zstandard are expanded.

    `digest` is the hexadecimal SHA-256 of the bytes as sent, or None. A file that begins as
    Parquet is stored as Parquet, whatever `format` is. Raises Invalid `invalid_name`,
    `unknown_format`, `digest_mismatch`, `unreadable_archive`, `invalid_parquet` and what
    `checked_text` and `expanded` raise; TooLarge; Unavailable.
    """
    known = _known_format(format)
    _check_name(name)
    sent = _Passed()
    with work_folder() as folder:
        path = folder / "upload"
        raw = sent.counted(limited(chunks, limit_bytes=limits.upload_bytes))
        plain = expanded(raw, limit_bytes=limits.upload_bytes)
        known, sha256 = _write_checked(plain, path, known, limits)
        if digest is not None and digest.lower() != sent.sha256:
            message = "the bytes that came do not have the digest that was promised; send again"
            raise Invalid(message, code="digest_mismatch")
        file_id = new_id(Prefix.FILE)
        row = File(
            id=file_id,
            project_id=project_id,
            name=name,
            format=known.value,
            size_bytes=path.stat().st_size,
            sha256=sha256,
            sent_size_bytes=sent.size_bytes,
            sent_sha256=sent.sha256,
            object_key=project_folder(project_id, "files", file_id),
            created_at=utc_now(),
        )
        _store(row, path, sessions=sessions, store=store)
    return row


def _write_checked(
    chunks: Iterable[bytes], path: Path, declared: FileFormat, limits: FileLimits
) -> tuple[FileFormat, str]:
    """Write the expanded bytes; return their true format and their SHA-256."""
    head, whole = with_head(chunks)
    refuse_archives(head)
    if head.startswith(PARQUET_MAGIC):
        return FileFormat.PARQUET, _write_parquet(whole, path)
    if declared is FileFormat.PARQUET and head:
        raise Invalid("the file does not begin as Parquet does", code="invalid_parquet")
    # JSON Lines are UTF-8. The others may be in an encoding that preparing a dataset finds.
    text = checked_text(
        whole,
        line_bytes=None if declared is FileFormat.JSON else limits.line_bytes,
        utf8=declared is FileFormat.JSONL,
    )
    return declared, _write(text, path)


def _write_parquet(chunks: Iterable[bytes], path: Path) -> str:
    sha256 = _write(chunks, path)
    with path.open("rb") as file:
        file.seek(-len(PARQUET_MAGIC), os.SEEK_END)
        at = file.tell()
        if at == 0 or file.read() != PARQUET_MAGIC:
            message = "the file does not end as Parquet does: it is cut off; send it again"
            raise Invalid(message, code="invalid_parquet")
    return sha256


def _known_format(name: str) -> FileFormat:
    if name in set(FileFormat):
        return FileFormat(name)
    message = f"no format named {name[:64]!r}; known: {', '.join(sorted(FileFormat))}"
    raise Invalid(
        message, code="unknown_format", faults=[Fault("format", "unknown_format", message)]
    )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        message = "a name has 1 to 255 characters, none of them a slash or a control character"
        raise Invalid(message, code="invalid_name", faults=[Fault("name", "invalid_name", message)])


class _Passed:
    """Size and digest of the bytes that have passed."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._digest.update(chunk)
            self.size_bytes += len(chunk)
            yield chunk


def _write(chunks: Iterable[bytes], path: Path) -> str:
    passed = _Passed()
    with path.open("xb") as file:
        for chunk in passed.counted(chunks):
            file.write(chunk)
    return passed.sha256


def _store(row: File, path: Path, *, sessions: Sessions, store: ObjectStore) -> None:
    content_type = CONTENT_TYPES[FileFormat(row.format)]
    store.put_file(row.object_key, path, content_type=content_type)
    with sessions.transaction() as session:
        repository.add(session, row)


def require_file(session: Session, file_id: str, *, project_id: str) -> File:
    """Return a file inside the caller's transaction, or raise NotFound `file_not_found`."""
    row = repository.find(session, file_id, project_id=project_id)
    if row is None:
        raise NotFound(f"no file {file_id}", code="file_not_found")
    return row


def get_file(file_id: str, *, project_id: str, sessions: Sessions) -> File:
    """Return a file of the project, or raise NotFound `file_not_found`."""
    with sessions.reading() as session:
        return require_file(session, file_id, project_id=project_id)


def list_files(project_id: str, *, after: str | None, limit: int, sessions: Sessions) -> list[File]:
    """Return a page of files, newest first; `after` is the last id of the page before."""
    with sessions.reading() as session:
        return repository.page(session, project_id, after=after, limit=limit)


def remove_file(session: Session, file_id: str, *, project_id: str) -> list[Leftover]:
    """Delete a file's row and return what it leaves: its bytes, unless another file has the same.

    Files of versions before 0.2 share them. Raises NotFound `file_not_found`.
    """
    row = require_file(session, file_id, project_id=project_id)
    others = repository.lock_sharing(session, row.object_key)
    repository.remove(session, row)
    shared = any(each.id != row.id for each in others)
    return [] if shared else [Leftover(LeftoverKind.OBJECT, row.object_key)]


def read_file(
    file_id: str,
    *,
    project_id: str,
    sessions: Sessions,
    store: ObjectStore,
    start: int = 0,
    end: int | None = None,
) -> Iterator[bytes]:
    """Yield the bytes `start` to `end` (exclusive) of a file; raises NotFound, Unavailable."""
    return store.chunks(_key_of(file_id, project_id, sessions), start=start, end=end)


def _key_of(file_id: str, project_id: str, sessions: Sessions) -> str:
    return get_file(file_id, project_id=project_id, sessions=sessions).object_key
