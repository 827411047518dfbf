"""A backup holds all rows of a live database and all objects; nothing is ever overwritten."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tunecurve.cli import run
from tunecurve.errors import ConfigurationError, ExitCode
from tunecurve.stack.backups import MANIFEST, back_up, places_of, restore
from tunecurve.stack.locks import locked
from tunecurve.stack.state import lock_file

ROWS = 300


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A data folder whose rows lie in the write-ahead log alone, and its objects."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "objects/datasets").mkdir(parents=True)
    (folder / "objects/datasets/a.jsonl").write_text("{}\n")
    (folder / "objects/datasets/.half.tmp").write_text("{")
    (folder / "emulator/models").mkdir(parents=True)
    (folder / "emulator/models/1").write_text("learned")
    (folder / "master.key").write_text("secret\n")
    (folder / "key").write_text("tunecurve_x\n")
    return folder


def write_rows(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("CREATE TABLE job (id INTEGER)")
    connection.executemany("INSERT INTO job VALUES (?)", [(n,) for n in range(ROWS)])
    connection.commit()
    return connection


def rows_in(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM job").fetchone()[0])


def test_a_backup_of_a_live_installation_is_restored_in_full(live: Path, tmp_path: Path) -> None:
    with closing(write_rows(live / "tunecurve.db")) as open_elsewhere:
        open_elsewhere.execute("INSERT INTO job VALUES (-1)")  # not committed
        back_up(places_of(live, {}), tmp_path / "backup")

    restore(tmp_path / "backup", places_of(tmp_path / "other", {}))

    other = tmp_path / "other"
    assert rows_in(other / "tunecurve.db") == ROWS
    assert (other / "objects/datasets/a.jsonl").read_text() == "{}\n"
    assert not (other / "objects/datasets/.half.tmp").exists()
    assert (other / "emulator/models/1").read_text() == "learned"
    assert (other / "master.key").read_text() == "secret\n"
    assert (other / "master.key").stat().st_mode & 0o077 == (
        (live / "master.key").stat().st_mode & 0o077
    )
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0


def test_a_backup_is_of_one_moment_while_others_write(live: Path, tmp_path: Path) -> None:
    database = live / "tunecurve.db"
    with closing(write_rows(database)) as connection:
        connection.execute("CREATE TABLE pair (a INTEGER, b INTEGER)")
        connection.commit()
    script = tmp_path / "pairs.py"
    script.write_text(
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], timeout=300)\n"
        "for n in range(10**9):\n"
        "    connection.execute('INSERT INTO pair VALUES (?, ?)', (n, 0))\n"
        "    connection.execute('UPDATE pair SET b = a WHERE a = ?', (n,))\n"
        "    connection.commit()\n"
    )
    process = subprocess.Popen([sys.executable, str(script), str(database)])
    try:
        eventually(lambda: _pairs(database)[0] > 10, what="nobody writes")
        for number in range(3):
            back_up(places_of(live, {}), tmp_path / f"backup-{number}")
    finally:
        process.kill()
        process.wait()
    counts = [_pairs(tmp_path / f"backup-{number}" / "tunecurve.db") for number in range(3)]
    assert [halves for _, halves in counts] == [0, 0, 0]
    assert counts[0][0] <= counts[1][0] <= counts[2][0]


def _pairs(database: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(database, timeout=300)) as connection:
        row = connection.execute("SELECT count(*), coalesce(sum(a != b), 0) FROM pair").fetchone()
    return int(row[0]), int(row[1])


def test_neither_backup_nor_restore_overwrites(live: Path, tmp_path: Path) -> None:
    write_rows(live / "tunecurve.db").close()
    places = places_of(live, {})
    back_up(places, tmp_path / "backup")
    with pytest.raises(ConfigurationError, match="overwrites nothing"):
        back_up(places, tmp_path / "backup")
    with pytest.raises(ConfigurationError, match="overwrites nothing"):
        restore(tmp_path / "backup", places)
    for name in ("key", "objects/b", "emulator/c"):
        kept = tmp_path / f"half-{name.replace('/', '-')}" / name
        kept.parent.mkdir(parents=True)
        kept.write_text("mine")
        folder = tmp_path / f"half-{name.replace('/', '-')}"
        with pytest.raises(ConfigurationError, match="overwrites nothing"):
            restore(tmp_path / "backup", places_of(folder, {}))
        assert not (folder / "tunecurve.db").exists()
        assert kept.read_text() == "mine"


@pytest.mark.parametrize("copies", range(5))
def test_a_restore_that_is_interrupted_leaves_no_installation_and_begins_anew(
    live: Path, tmp_path: Path, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(live / "tunecurve.db").close()
    back_up(places_of(live, {}), tmp_path / "backup")
    other, copy, left = tmp_path / "other", shutil.copy2, iter(range(copies))

    def copy_some(source: Path, target: Path) -> None:
        copy(source, target)
        if next(left, None) is None:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copy2", copy_some)
        with pytest.raises(KeyboardInterrupt):
            restore(tmp_path / "backup", places_of(other, {}))
    assert not [
        path for path in other.rglob("*") if path.is_file() and ".restored" not in str(path)
    ]

    restore(tmp_path / "backup", places_of(other, {}))
    assert rows_in(other / "tunecurve.db") == ROWS
    assert {path.name for path in other.rglob("*") if path.is_file()} == {
        "tunecurve.db", "a.jsonl", "1", "key", "master.key",
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["changed", "gone", "no manifest", "another form", "outside"])
def test_a_damaged_backup_restores_nothing(live: Path, tmp_path: Path, damage: str) -> None:
    write_rows(live / "tunecurve.db").close()
    backup, other = tmp_path / "backup", tmp_path / "other"
    manifest = back_up(places_of(live, {}), backup)
    match damage:
        case "changed":
            (backup / "objects/datasets/a.jsonl").write_text("{ }\n")
        case "gone":
            (backup / "objects/datasets/a.jsonl").unlink()
        case "no manifest":
            (backup / MANIFEST).unlink()
        case "another form":
            (backup / MANIFEST).write_text(json.dumps(manifest | {"form": 2}))
        case _:
            files = {"../data/key": "0" * 64}
            (backup / MANIFEST).write_text(json.dumps(manifest | {"files": files}))
    with pytest.raises(ConfigurationError):
        restore(backup, places_of(other, {}))
    assert not other.exists() or not list(other.iterdir())


def test_nothing_is_restored_under_a_running_stack(live: Path, tmp_path: Path) -> None:
    write_rows(live / "tunecurve.db").close()
    back_up(places_of(live, {}), tmp_path / "backup")
    other = tmp_path / "other"
    other.mkdir()
    with locked(lock_file(other)), pytest.raises(ConfigurationError, match="a stack runs"):
        restore(tmp_path / "backup", places_of(other, {}))


def test_the_settings_say_what_a_backup_holds(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="pg_dump"):
        places_of(tmp_path, {"TUNECURVE_DATABASE_URL": "postgresql://x/y"})
    environment = {
        "TUNECURVE_DATABASE_URL": "sqlite:////var/lib/t.db",
        "TUNECURVE_STORAGE": "gs://bucket/prefix",
        "TUNECURVE_GOOGLE_CLOUD_PROJECT": "p",
        "TUNECURVE_MASTER_KEY": "k",
    }
    places = places_of(tmp_path, environment)
    assert places.database == Path("/var/lib/t.db")
    assert "gs://bucket/prefix" in places.left_out[0]
    assert "k" not in places.left_out[1].split()
    assert places_of(tmp_path, {"TUNECURVE_STORAGE": "file:/x"}).objects == Path("/x")


def test_the_commands_back_up_and_restore(
    live: Path, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(live / "tunecurve.db").close()
    assert run(["backup", "kept", "--data-dir", str(live)]) == ExitCode.OK
    assert run(["backup", "kept", "--data-dir", str(live)]) == ExitCode.CONFIGURATION
    assert run(["restore", "kept", "--data-dir", str(bare / "new")]) == ExitCode.OK
    assert "5 files" in capsys.readouterr().out
    assert rows_in(bare / "new" / "tunecurve.db") == ROWS
