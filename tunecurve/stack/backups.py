"""Backups of a data folder: the database as of one moment, the objects, the secrets.

The database is copied first, by SQLite's online backup: a plain copy of the file misses all that
lies in its write-ahead log. What the rows point to was written before them and never changes, so
objects that are copied afterwards are complete. Redis is not kept: it may be wiped at any time.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tunecurve.errors import ConfigurationError
from tunecurve.stack.locks import is_locked
from tunecurve.stack.state import lock_file, make_private_folder

MANIFEST = "backup.json"
_FORM = 1
_DATABASE = "tunecurve.db"
_SECRETS = ("master.key", "key")
_HIDDEN = ".restored"
_CHUNK_BYTES = 1 << 20

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of an installation lie; `left_out` says what no backup here can hold."""

    database: Path
    objects: Path
    folder: Path
    left_out: tuple[str, ...] = ()


def places_of(folder: Path, environment: Environment) -> Places:
    """Return what a backup of a data folder holds, by the settings.

    Raises ConfigurationError for a database that is no SQLite file.
    """
    url = environment.get("TUNECURVE_DATABASE_URL", "")
    if url and not url.startswith("sqlite:///"):
        raise ConfigurationError(
            "only SQLite databases are backed up by this command; for PostgreSQL use pg_dump "
            "(docs/backups.md)"
        )
    database = Path(url.removeprefix("sqlite:///")) if url else folder / _DATABASE
    storage, left_out = environment.get("TUNECURVE_STORAGE", ""), []
    objects = folder / "objects"
    if storage.startswith("file:"):
        objects = Path(storage.removeprefix("file:"))
    elif storage.startswith("gs://") and environment.get("TUNECURVE_GOOGLE_CLOUD_PROJECT"):
        left_out.append(f"the objects in {storage}: copy the bucket after this backup")
    if environment.get("TUNECURVE_MASTER_KEY"):
        left_out.append("TUNECURVE_MASTER_KEY: without it no webhook can be signed")
    return Places(database, objects, folder, tuple(left_out))


def back_up(places: Places, target: Path) -> dict[str, Any]:
    """Copy an installation into a new folder, and return the manifest; it may be running.

    The folder appears once it is complete. Raises ConfigurationError where the target exists or
    there is no database.
    """
    if target.exists():
        raise ConfigurationError(f"{target} exists: a backup overwrites nothing; name a new folder")
    if not places.database.is_file():
        raise ConfigurationError(f"there is no database at {places.database}")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        _copy_database(places.database, partial / _DATABASE)
        for source, name in ((places.objects, "objects"), (places.folder / "emulator", "emulator")):
            _copy_tree(source, partial / name)
        for name in _SECRETS:
            if (places.folder / name).is_file():
                shutil.copy2(places.folder / name, partial / name)
        manifest = _write_manifest(partial, places)
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def restore(source: Path, places: Places) -> dict[str, Any]:
    """Put a backup into a data folder that holds no installation, and return its manifest.

    Every file is checked before the first is written. What is copied is hidden until all of it is
    there, and then renamed into place, the database last: after an interruption there is no
    installation, and a restore begins anew. Raises ConfigurationError for what is no complete
    backup, an installation that is there or runs.
    """
    manifest = _checked_manifest(source)
    folder = make_private_folder(places.folder)
    if is_locked(lock_file(folder)):
        raise ConfigurationError(f"a stack runs in {folder}: end it first")
    _require_empty(places)
    folders = {"objects": places.objects, "emulator": folder / "emulator"}
    files = {**{name: folder / name for name in _SECRETS}, _DATABASE: places.database}
    for name, target in folders.items():
        shutil.rmtree(target / _HIDDEN, ignore_errors=True)  # of a restore that was interrupted
        _copy_tree(source / name, target / _HIDDEN)
    for name, target in files.items():
        if (source / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, _hidden(target))
    for target in folders.values():
        _show_all(target)
    for name, target in files.items():
        if (source / name).is_file():
            _hidden(target).rename(target)
    return manifest


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}{_HIDDEN}")


def _show_all(folder: Path) -> None:
    """Rename what was copied into its place; the folder itself may be a mount, which stays."""
    if (folder / _HIDDEN).is_dir():
        for each in (folder / _HIDDEN).iterdir():
            each.rename(folder / each.name)
        (folder / _HIDDEN).rmdir()


def _require_empty(places: Places) -> None:
    """Raise ConfigurationError where a restored file would take the place of another."""
    kept = [places.database, *(places.folder / name for name in _SECRETS)]
    kept += [each for each in (places.objects, places.folder / "emulator") if _has_files(each)]
    for path in kept:
        if path.exists():
            message = f"{path} exists: a restore overwrites nothing; name an empty --data-dir"
            raise ConfigurationError(message)


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(each.name != _HIDDEN for each in folder.iterdir())


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database as of one moment, while others may write, and check the copy."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=60)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise ConfigurationError(f"the database {source} is damaged: {found}")
    target.chmod(0o600)


def _copy_tree(source: Path, target: Path) -> None:
    """Copy the files of a folder that may change meanwhile; those that go are left out."""
    for path in _files(source):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(path, copy)
        except FileNotFoundError:
            continue


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, but for those that are still being written."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def _write_manifest(folder: Path, places: Places) -> dict[str, Any]:
    manifest = {
        "object": "backup",
        "form": _FORM,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "left_out": list(places.left_out),
        "files": {path.relative_to(folder).as_posix(): _sha256(path) for path in _files(folder)},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def _checked_manifest(source: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{source} is no backup: it has no {MANIFEST}") from error
    if manifest.get("form") != _FORM:
        raise ConfigurationError(f"{source} was made by another version of tunecurve")
    for name, expected in manifest["files"].items():
        path = source / name
        if not path.resolve().is_relative_to(source.resolve()):
            raise ConfigurationError(f"{source / MANIFEST} names a file outside of the backup")
        if not path.is_file() or _sha256(path) != expected:
            raise ConfigurationError(f"{path} is missing or damaged: nothing was restored")
    return manifest


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()
