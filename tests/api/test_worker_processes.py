"""One port served by several processes, and several API processes that count together."""

import contextlib
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from service.database import open_sessions
from service.projects.operations import create_key, ensure_project
from service.projects.schemas import Scope
from tests.api.problems import problem_of
from tests.support.eventually import eventually
from tests.support.ports import reserved_port
from tests.support.processes import Process, start_process
from tests.support.redis import start_redis


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


class _Serving:
    """An API process of its own, as a load balancer reaches several."""

    def __init__(self, port: int, environment: dict[str, str], log: Path, *, secret: str) -> None:
        self.http = httpx2.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {secret}"},
            trust_env=False,
            timeout=300,
        )
        with log.open("wb") as output:
            self.process = start_process(
                "api", ["serve", "--port", str(port)], env=environment, output=output, errors=output
            )
        eventually(lambda: _answers(port), what="the server has not started")

    def opens(self, streams: contextlib.ExitStack) -> bool:
        """Open a stream that stays open; return whether there was one left."""
        with contextlib.ExitStack() as opened:
            answer = opened.enter_context(self.http.stream("GET", "/v1/events/stream"))
            if answer.status_code != httpx2.codes.OK:
                return False
            streams.push(opened.pop_all())
            return True

    def end(self) -> None:
        self.http.close()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(300)


@pytest.fixture
def serving(tmp_path: Path, migrated_sqlite: Path) -> Iterator[list[_Serving]]:
    """Two API processes on one database and one Redis."""
    database_url = f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}"
    sessions = open_sessions(database_url)
    project = ensure_project("default", sessions=sessions)
    secret = create_key(project, name="two", scopes=Scope, sessions=sessions).secret
    sessions.close()
    with contextlib.ExitStack() as resources:
        redis = resources.enter_context(start_redis())
        environment = {
            "TUNECURVE_DATA_DIR": str(tmp_path),
            "TUNECURVE_DATABASE_URL": database_url,
            "TUNECURVE_REDIS_URL": redis.url,
            "TUNECURVE_STREAMS_PER_KEY": "3",
        }
        found = []
        for name in ("first", "second"):
            port = resources.enter_context(reserved_port())
            each = _Serving(port, environment, tmp_path / name, secret=secret)
            resources.callback(each.end)
            found.append(each)
        yield found


def test_processes_count_what_a_key_has_open_together_and_forget_the_dead(
    serving: list[_Serving],
) -> None:
    first, second = serving
    with contextlib.ExitStack() as of_first, contextlib.ExitStack() as of_second:
        for each, streams in ((first, of_first), (first, of_first), (second, of_second)):
            assert each.opens(streams)
        for each in serving:
            problem_of(each.http.get("/v1/events/stream"), 429, "too_many_streams")
        of_second.close()
        eventually(lambda: first.opens(of_first), what="a stream that was closed still counts")

        first.process.send_signal(signal.SIGKILL)

        problem_of(second.http.get("/v1/events/stream"), 429, "too_many_streams")
        for _ in range(3):
            eventually(lambda: second.opens(of_second), what="streams of the dead still count")
        problem_of(second.http.get("/v1/events/stream"), 429, "too_many_streams")
