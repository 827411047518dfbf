"""Supervision: death, restart, order of the stop; with real, small processes."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.support.eventually import eventually
from tunecurve.stack.processes import Service, Supervised
from tunecurve.stack.supervisor import StackError, StopRequestedError, Supervisor

IDLE = "import signal; signal.pause()"
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    signal.pause()
"""
PARENT = """
import subprocess, sys, signal
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
signal.pause()
"""


def service(name: str, program: str, *, stage: int = 0, grace_seconds: float = 5) -> Service:
    command = (sys.executable, "-c", program)
    return Service(name, command, stage=stage, grace_seconds=grace_seconds)


@pytest.fixture
def reported() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, reported: list[str]) -> Iterator[Supervisor]:
    with Supervisor(tmp_path, report=reported.append) as opened:
        yield opened


def lines(process: Supervised) -> list[str]:
    return process.log.read_text().splitlines()


def test_a_killed_process_is_restarted(supervisor: Supervisor) -> None:
    process = supervisor.start(service("ticker", IDLE))
    first = process.pid
    os.kill(first, signal.SIGKILL)
    eventually(process.restart_if_ended, what="it was not restarted")
    assert process.is_alive()
    assert process.pid != first
    assert supervisor.pids() == {"ticker": process.pid}


def test_a_process_that_keeps_dying_is_given_a_pause_before_each_start(tmp_path: Path) -> None:
    started = service("api", "print('started')")
    process = Supervised(started, folder=tmp_path, log=tmp_path / "api.log")
    process.start()
    eventually(lambda: not process.is_alive(), what="it did not die")
    assert not process.restart_if_ended()
    eventually(process.restart_if_ended, what="it was not restarted")
    eventually(lambda: not process.is_alive(), what="it did not die again")
    assert not process.restart_if_ended()
    assert lines(process) == ["started", "started"]


def test_what_a_killed_process_started_ends_before_its_successor_starts(
    supervisor: Supervisor,
) -> None:
    process = supervisor.start(service("worker", PARENT))
    eventually(lambda: lines(process), what="the child did not start")
    child = psutil.Process(int(lines(process)[0]))
    os.kill(process.pid, signal.SIGKILL)
    eventually(process.restart_if_ended, what="it was not restarted")
    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_higher_stages_end_first(tmp_path: Path, reported: list[str]) -> None:
    marks = tmp_path / "marks"
    program = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    open({marks!r}, 'a').write('{name}\\n'); sys.exit()\n"
        "signal.signal(15, end); print('up', flush=True)\n"
        "signal.pause()"
    )
    with Supervisor(tmp_path, report=reported.append) as supervisor:
        for stage, name in enumerate(("redis", "api", "worker")):
            text = program.format(marks=str(marks), name=name)
            process = supervisor.start(service(name, text, stage=stage))
            eventually(partial(lines, process), what=f"{name} did not start")
    assert marks.read_text().split() == ["worker", "api", "redis"]


def test_a_process_that_will_not_end_is_killed_after_its_grace(
    tmp_path: Path, reported: list[str]
) -> None:
    with Supervisor(tmp_path, report=reported.append) as supervisor:
        process = supervisor.start(service("stubborn", STUBBORN, grace_seconds=0.2))
        eventually(lambda: lines(process), what="it did not start")
    assert not process.is_alive()


def test_a_process_that_ends_while_starting_is_reported_with_its_last_words(
    supervisor: Supervisor,
) -> None:
    supervisor.start(service("api", "raise SystemExit('the database is too new')"))
    with pytest.raises(StackError, match=r"api ended while starting[\s\S]*the database is too new"):
        supervisor.wait_until(lambda: False, what="the API", seconds=20)


def test_what_does_not_come_up_in_time_is_reported(supervisor: Supervisor) -> None:
    supervisor.start(service("api", IDLE))
    with pytest.raises(StackError, match=r"the API did not start in 0\.2 s"):
        supervisor.wait_until(lambda: False, what="the API", seconds=0.2)


def test_the_log_of_the_run_before_is_kept_beside(tmp_path: Path, reported: list[str]) -> None:
    for word in ("first", "second"):
        with Supervisor(tmp_path, report=reported.append) as supervisor:
            process = supervisor.start(service("api", f"print('{word}', flush=True); {IDLE}"))
            eventually(partial(lines, process), what="it did not start")
    assert (tmp_path / "logs" / "api.log").read_text() == "second\n"
    assert (tmp_path / "logs" / "api.log.1").read_text() == "first\n"


def watched(supervisor: Supervisor, publish: Callable[[], None]) -> None:
    with supervisor.stopping_on_signals(), pytest.raises(StopRequestedError):
        supervisor.watch(on_restart=publish)


def test_a_disk_that_is_full_ends_nothing(supervisor: Supervisor, reported: list[str]) -> None:
    process = supervisor.start(service("worker", IDLE))
    calls: list[int] = []

    def publish() -> None:
        calls.append(process.pid)
        if len(calls) < 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f".stack.json.{len(calls)}")
        os.kill(os.getpid(), signal.SIGTERM)

    os.kill(process.pid, signal.SIGKILL)
    watched(supervisor, publish)
    assert calls == [process.pid] * 4
    assert reported[1:] == [
        "restarted worker, which had ended",
        "the processes' ids cannot be written (No space left on device); trying again",
    ]


def test_what_cannot_be_started_now_is_started_later(tmp_path: Path) -> None:
    lock = tmp_path / "redis.lock"
    reported: list[str] = []

    def report(message: str) -> None:
        reported.append(message)
        if "cannot" in message:
            lock.rmdir()

    with Supervisor(tmp_path, report=report) as supervisor:
        process = supervisor.start(replace(service("redis", IDLE), lock=lock))
        lock.unlink()
        lock.mkdir()
        process.log.unlink()
        process.log.mkdir()  # nor can its log be written
        os.kill(process.pid, signal.SIGKILL)
        watched(supervisor, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert process.is_alive()
    assert reported[1:] == [
        "redis cannot be restarted (Is a directory); trying again",
        "restarted redis, which had ended",
    ]


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_is_ignored_stays_ignored(
    supervisor: Supervisor, ignored: signal.Signals
) -> None:
    previous = signal.signal(ignored, signal.SIG_IGN)
    try:
        with supervisor.stopping_on_signals():
            os.kill(os.getpid(), ignored)
            supervisor.pause()
            os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(StopRequestedError):
                supervisor.pause()
        assert signal.getsignal(ignored) == signal.SIG_IGN
    finally:
        signal.signal(ignored, previous)


def test_a_signal_ends_the_watch_and_everything_it_watched(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]);"
        "from tests.tunecurve.stack.test_supervisor import watch_one;"
        "watch_one(pathlib.Path(sys.argv[2]))"
    )
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", program, str(root), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert psutil.pid_exists(pid)
        process.terminate()
        assert process.wait(20) == 0
    assert not psutil.pid_exists(pid)


def watch_one(folder: Path) -> None:
    with Supervisor(folder, report=lambda _: None) as supervisor, supervisor.stopping_on_signals():
        print(supervisor.start(service("ticker", IDLE)).pid, flush=True)
        try:
            supervisor.watch(on_restart=lambda: None)
        except StopRequestedError:
            return
