"""One port served by several processes."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.support.eventually import eventually
from tests.support.processes import Process, start_process


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


@pytest.fixture
def server(port: int, tmp_path: Path) -> Iterator[Process]:
    environment = {"TUNECURVE_DATA_DIR": str(tmp_path)}
    arguments = ["serve", "--port", str(port), "--workers", "2"]
    with (tmp_path / "log").open("wb") as log:
        process = start_process("api", arguments, env=environment, output=log, errors=log)
    eventually(lambda: _answers(port), what="the server has not started")
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(300)


def _answers(port: int) -> bool:
    try:
        return (
            httpx2.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=300).status_code
            == 200
        )
    except httpx2.TransportError:
        return False


def test_two_processes_serve_one_port_and_stop_when_asked(server: Process) -> None:
    workers = psutil.Process(server.pid).children()
    assert len(workers) == 2

    server.send_signal(signal.SIGTERM)

    assert server.wait(300) == 0
    assert not any(worker.is_running() for worker in workers)


def test_a_process_that_dies_takes_the_others_along(server: Process) -> None:
    first, second = psutil.Process(server.pid).children()

    first.kill()

    assert server.wait(300) == 1
    assert not second.is_running()
