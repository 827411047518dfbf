"""The fork server: what it starts is a child of its user, and runs without it."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.processes import ROOT
from tunecurve.stack.forks import ForkServer
from tunecurve.stack.parenthood import HAS_PRCTL
from tunecurve.stack.processes import Service, Supervised

pytestmark = pytest.mark.skipif(not HAS_PRCTL, reason="forked programs are adopted on Linux only")

PROGRAM = """
import os, shared_table, signal, sys
print(sys.argv[1:], os.environ["WORD"], os.getcwd(), shared_table.made_by, flush=True)
if "stay" in sys.argv:
    signal.pause()
sys.exit(7)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "shared_table.py").write_text("import os\nmade_by = os.getpid()\n")
    return {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "WORD": "of the server"}


@pytest.fixture
def fork_server(tmp_path: Path, environment: dict[str, str]) -> Iterator[ForkServer]:
    server = ForkServer(
        ["shared_table"], environment, folder=tmp_path, log=tmp_path / "fork-server.log"
    )
    yield server
    server.close()


def start(
    fork_server: ForkServer, environment: dict[str, str], folder: Path, *arguments: str
) -> Supervised:
    service = Service(
        "program",
        (sys.executable, "-m", "program", *arguments),
        stage=0,
        environment={**environment, "WORD": "its own"},
        forks=True,
    )
    process = Supervised(service, folder=folder, log=folder / "program.log")
    process.start(fork_server)
    return process


def words(process: Supervised) -> list[str]:
    return process.log.read_text().split()


def test_a_forked_program_runs_as_one_that_was_started_by_itself(
    fork_server: ForkServer, environment: dict[str, str], tmp_path: Path
) -> None:
    makers = []
    for name in ("first", "second"):
        with (tmp_path / name).open("w+b") as log:
            command = (sys.executable, "-m", "program", "a b", "--c")
            own = {**environment, "WORD": "its own"}
            process = fork_server.start(command, own, folder=tmp_path, output=log, errors=log)
            assert process is not None
            assert process.wait() == process.poll() == 7
            said, _, maker = (tmp_path / name).read_text().rpartition(" ")
        assert said == f"['a b', '--c'] its own {tmp_path}"
        makers.append(int(maker))
        assert process.pid not in makers
    assert len(set(makers)) == 1  # who imported once, for both


def test_a_forked_program_is_watched_and_outlives_the_fork_server(
    fork_server: ForkServer, environment: dict[str, str], tmp_path: Path
) -> None:
    process = start(fork_server, environment, tmp_path, "stay")
    eventually(lambda: words(process), what="it did not start")
    fork_server.close()
    assert process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not process.is_alive(), what="it did not end")
    eventually(process.restart_if_ended, what="it was not restarted")  # now by itself
    eventually(lambda: len(process.log.read_text().splitlines()) == 2, what="it did not start")
    process.kill()
    assert not process.is_alive()


def test_a_fork_server_that_cannot_import_leaves_each_to_start_by_itself(
    environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "fork-server.log"
    server = ForkServer(["not_there"], environment, folder=tmp_path, log=log)
    process = start(server, environment, tmp_path)
    eventually(lambda: not process.is_alive(), what="it did not end")
    assert words(process)[-1] == str(process.pid)  # which imported by itself
    assert "No module named 'not_there'" in log.read_text()
    server.close()
