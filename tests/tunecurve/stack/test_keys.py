"""`tunecurve key reset`: on the server's machine, without the API and without a key."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.processes import run_process
from tunecurve.cli import run
from tunecurve.errors import ExitCode


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of an embedded stack that does not run, with the key of its first start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNECURVE_DATABASE_URL", raising=False)
    data = tmp_path / "data"
    made = run_process("api", ["migrate"], env={"TUNECURVE_DATA_DIR": str(data)})
    (data / "key").write_text(made.stdout.removeprefix("key: "))
    return data


def live_keys(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "tunecurve.db")) as database:
        rows = database.execute("SELECT public_part FROM api_key WHERE revoked_at IS NULL")
        return [row[0] for row in rows]


def test_a_reset_prints_the_only_key_left_and_keeps_it_for_commands(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = (folder / "key").read_text()

    assert run(["key", "reset", "--data-dir", str(folder)]) == ExitCode.OK

    secret = capsys.readouterr().out.strip()
    assert secret.startswith("tunecurve_")
    assert secret != lost.strip()
    assert (folder / "key").read_text().strip() == secret
    assert (folder / "key").stat().st_mode & 0o077 == 0
    assert live_keys(folder) == [secret.split("_")[1]]


def test_an_unknown_project_is_reported_and_nothing_changes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = live_keys(folder)

    status = run(["key", "reset", "--project", "lba", "--data-dir", str(folder)])

    assert status == ExitCode.CONFIGURATION
    assert "no project named 'lba'" in capsys.readouterr().err
    assert live_keys(folder) == before


def test_where_there_is_no_installation_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNECURVE_DATABASE_URL", raising=False)

    status = run(["key", "reset", "--data-dir", str(tmp_path / "nothing")])

    assert status == ExitCode.CONFIGURATION
    assert "--data-dir" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()
