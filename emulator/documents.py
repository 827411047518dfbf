"""JSON documents on disk: in one SQLite file, found by key, or each in a file of its own."""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_CREATE = """
CREATE TABLE IF NOT EXISTS document (
    key TEXT PRIMARY KEY, tag TEXT NOT NULL, content TEXT NOT NULL
) WITHOUT ROWID
"""


class Documents:
    """Each write is a transaction of its own: a kill at any moment leaves the old or the new.

    Writing does not wait for the disk, so a power cut may lose the last writes, a kill does not.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA cache_size = -4096")
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute(_CREATE)

    def close(self) -> None:
        self._connection.close()

    def clear(self) -> None:
        self._connection.execute("DELETE FROM document")

    def put(self, key: str, document: object, *, tag: str = "") -> None:
        """Store or replace a document; the tag can be read back without the document."""
        row = (key, tag, json.dumps(document, ensure_ascii=True))
        self._connection.execute("INSERT OR REPLACE INTO document VALUES (?, ?, ?)", row)

    def get(self, key: str) -> Any:
        """Return the document, or None."""
        query = "SELECT content FROM document WHERE key = ?"
        row = self._connection.execute(query, (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def delete(self, key: str) -> None:
        self._connection.execute("DELETE FROM document WHERE key = ?", (key,))

    def discard_deleted(self) -> None:
        """Drop what the log still holds of replaced and deleted documents."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def all(self) -> Iterator[Any]:
        """Yield the documents in the order of their keys; writing meanwhile is allowed."""
        last = ""
        query = "SELECT key, content FROM document WHERE key > ? ORDER BY key LIMIT 100"
        while rows := self._connection.execute(query, (last,)).fetchall():
            for _, content in rows:
                yield json.loads(content)
            last = rows[-1][0]

    def keys(self, *, prefix: str, after: str = "") -> Iterator[str]:
        """Yield in order the keys with a prefix that come after a key; read lazily."""
        query = "SELECT key FROM document WHERE key >= ? AND key > ? AND key < ? ORDER BY key"
        for row in self._connection.execute(query, (prefix, after, prefix + "\U0010ffff")):
            yield row[0]

    def tags(self) -> Iterator[str]:
        for row in self._connection.execute("SELECT tag FROM document"):
            yield row[0]


def write_json(path: Path, document: object) -> None:
    """Replace a file in one step: a kill at any moment leaves the old file or the new one."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    partial.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)


def read_folder(folder: Path) -> Iterator[Any]:
    """Yield the documents of a folder and drop what a killed writer left behind."""
    for path in sorted(folder.iterdir()):
        if path.suffix == ".partial":
            path.unlink()
        elif path.suffix == ".json":
            yield json.loads(path.read_text(encoding="utf-8"))


def empty_folder(folder: Path) -> None:
    """Make the folder if it is missing and delete the files in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink(missing_ok=True)
