"""`tunecurve doctor` without a running server: disk, settings and database of this machine."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from service.database import open_sessions
from tunecurve.cli import run
from tunecurve.errors import ExitCode


def checks(capsys: pytest.CaptureFixture[str], *, code: int) -> dict[str, list[dict[str, str]]]:
    assert run(["doctor", "-o", "json"]) == code
    found: dict[str, list[dict[str, str]]] = {}
    for each in json.loads(capsys.readouterr().out)["checks"]:
        found.setdefault(each["check"], []).append(each)
    return found


@pytest.fixture
def data(bare: Path, migrated_sqlite: Path) -> Path:
    folder = bare / "data"
    folder.mkdir()
    shutil.copy(migrated_sqlite, folder / "tunecurve.db")
    return folder


def test_a_database_that_is_well_is_reported_as_such(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = checks(capsys, code=ExitCode.OK)

    assert found["database"][0]["state"] == "ok"
    assert "GB free" in found["data folder"][0]["detail"]


def test_before_the_first_start_there_is_no_database(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checks(capsys, code=ExitCode.OK)["database"][0]["state"] == "off"


def test_wrong_settings_and_tables_are_named(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = open_sessions(f"sqlite:///{data / 'tunecurve.db'}")
    with sessions.transaction() as session:
        session.execute(text("DELETE FROM alembic_version"))
    sessions.close()
    monkeypatch.setenv("TUNECURVE_BASEMODEL", "hunter2")

    details = [each["detail"] for each in checks(capsys, code=3)["settings, database"]]

    assert "TUNECURVE_BASEMODEL is no setting, TUNECURVE_BASE_MODEL is" in details[0]
    assert details[1].startswith("database: ")
    assert "hunter2" not in str(details)
    monkeypatch.setenv("TUNECURVE_LOG_LEVEL", "verbose")
    (alone,) = checks(capsys, code=3)["settings, database"]
    assert alone["detail"].startswith("TUNECURVE_LOG_LEVEL: is to be")


def test_a_full_or_read_only_disk_is_reported(
    bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for flag, free, words in ((0, 1 << 20, "1 MB are left"), (os.ST_RDONLY, 1 << 40, "cannot be")):
        disk = SimpleNamespace(f_flag=flag, f_bavail=free, f_frsize=1)
        monkeypatch.setattr(os, "statvfs", lambda _path, disk=disk: disk)
        assert words in checks(capsys, code=3)["data folder"][0]["detail"]
