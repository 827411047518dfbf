"""`tunecurve up` where it must refuse, and with a Redis of one's own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.redis import start_redis
from tests.tunecurve.tiny_service import KEY, serve_tiny_service
from tunecurve.cli import run
from tunecurve.commands.stack import about_key
from tunecurve.errors import ExitCode
from tunecurve.stack.launch import choose_port
from tunecurve.stack.locks import locked
from tunecurve.stack.state import StackState, lock_file, read_state, write_state


@pytest.fixture
def folder(bare: Path) -> Path:
    folder = bare / "data"
    folder.mkdir()
    return folder


def test_a_second_up_is_refused_and_names_where_the_first_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = StackState("http://127.0.0.1:8765", "k", 1, {}, "unix:///r.sock", None)
    with locked(lock_file(folder)):
        write_state(folder, state)
        assert run(["up"]) == ExitCode.CONFIGURATION
        holder = lock_file(folder).read_text().strip()
    printed = capsys.readouterr().err
    assert f"process {holder}" in printed
    assert "http://127.0.0.1:8765" in printed
    assert read_state(folder) == state


@pytest.mark.usefixtures("bare")
def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert run(["up", "--port", str(port)]) == ExitCode.CONFIGURATION
    printed = capsys.readouterr().err
    assert f"port {port} " in printed
    assert "--port" in printed


@pytest.mark.usefixtures("bare")
def test_real_google_needs_a_project_and_a_bucket(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--no-emulator", "--port", "0"]) == ExitCode.CONFIGURATION
    printed = capsys.readouterr().err
    assert "TUNECURVE_GOOGLE_CLOUD_PROJECT and TUNECURVE_STORAGE" in printed


@pytest.mark.usefixtures("bare")
def test_a_redis_that_does_not_answer_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("TUNECURVE_REDIS_URL", f"redis://:secret@127.0.0.1:{port}")
    assert run(["up", "--port", "0"]) == ExitCode.CONFIGURATION
    printed = capsys.readouterr().err
    assert "TUNECURVE_REDIS_URL" in printed
    assert "secret" not in printed


def test_a_data_folder_that_is_a_file_is_a_configuration_error(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bare / "data").write_text("")
    assert run(["up", "--port", "0"]) == ExitCode.CONFIGURATION
    assert "Traceback" not in capsys.readouterr().err


def test_a_folder_that_another_redis_wrote_is_refused_with_the_reason_and_a_way_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = folder / "redis" / "written-by"
    note.parent.mkdir(mode=0o700)
    note.write_text("other 1.0\n")
    assert run(["up", "--port", "0"]) == ExitCode.CONFIGURATION
    printed = capsys.readouterr().err
    assert f"{note.parent} was written by other 1.0" in printed
    assert "TUNECURVE_REDIS_URL" in printed


def test_with_an_own_redis_and_real_google_a_fresh_folder_is_enough(bare: Path) -> None:
    folder = bare / "data"
    with start_redis() as redis:
        settings = {
            "TUNECURVE_REDIS_URL": redis.url,
            "TUNECURVE_GOOGLE_CLOUD_PROJECT": "p",
            "TUNECURVE_STORAGE": f"file:{bare / 'objects'}",
        }
        command = [sys.executable, "-m", "tunecurve", "up", "--no-emulator", "--port", "0"]
        environment = {**os.environ, **settings}  # noqa: TID251  what a shell would give
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
            eventually(
                lambda: read_state(folder) or process.poll() is not None, what="it did not start"
            )
            process.terminate()
            _, printed = process.communicate()
    assert process.returncode == ExitCode.OK, printed
    assert b"starting redis" not in printed


def test_port_0_is_a_free_port() -> None:
    port = choose_port(0, host="127.0.0.1")
    assert choose_port(port, host="127.0.0.1") == port


def test_a_kept_key_that_opens_nothing_is_reported(tmp_path: Path) -> None:
    kept = tmp_path / "key"
    with serve_tiny_service() as service:
        assert "no key is kept" in about_key(service.url, kept)
        kept.write_text("tunecurve_0123456789_revoked\n")
        assert "opens nothing any more" in about_key(service.url, kept)
        kept.write_text(f"{KEY}\n")
        assert about_key(service.url, kept) == f"the key is kept in {kept}"
