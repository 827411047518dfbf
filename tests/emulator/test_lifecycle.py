"""Starting, ending and coming back: what survives, and how fast it goes."""

import subprocess
import sys
from pathlib import Path

import psutil

from tests.emulator.examples import ask, create, finish, labelled, order, upload
from tests.support import plain_http
from tests.support.emulator import start_emulator
from tests.support.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]


def test_objects_tunings_and_models_survive_a_kill(tmp_path: Path) -> None:
    with start_emulator(tmp_path, tuning_seconds=0) as emulator:
        uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="kept.jsonl")
        done = finish(emulator, create(emulator, order(uri))["name"])
        unfinished = create(emulator, order(uri, epochs=3))
        emulator.kill()
    with start_emulator(tmp_path, tuning_seconds=0) as emulator:
        assert emulator.request("GET", f"/v1/{done['name']}") == done
        endpoint = done["tunedModel"]["endpoint"]
        assert ask(emulator, endpoint, "note 3: a splendid and happy day") == "GOOD"
        url = f"{emulator.url}/storage/v1/b/data/o/kept.jsonl?alt=media"
        assert plain_http.get(url, timeout=300).text == labelled(good="GOOD", bad="BAD")
        resumed = finish(emulator, unfinished["name"])
        assert resumed["state"] == "JOB_STATE_SUCCEEDED"
        assert emulator.ledger()["tunings_created"] == 2


def test_sigterm_ends_it_at_once_while_a_tuning_learns() -> None:
    with start_emulator() as emulator:
        uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="long.jsonl")
        create(emulator, order(uri, epochs=1_000_000))
        parent = psutil.Process(emulator.process.pid)
        children = eventually(lambda: parent.children(recursive=True))
        emulator.stop()  # learning it to the end takes hours
        gone, alive = psutil.wait_procs(children, timeout=300)
        assert (len(gone), alive) == (len(children), [])


def test_the_learning_process_dies_with_a_killed_server() -> None:
    with start_emulator() as emulator:
        uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="long.jsonl")
        create(emulator, order(uri, epochs=1_000_000))
        server = psutil.Process(emulator.process.pid)
        children = eventually(lambda: server.children(recursive=True))
        emulator.kill()
        _, alive = psutil.wait_procs(children, timeout=300)
        assert alive == []


def test_it_ends_when_its_parent_is_gone() -> None:
    code = (
        "import os, subprocess, sys\n"
        "arguments = [sys.executable, '-m', 'emulator', '--parent-pid', str(os.getpid())]\n"
        "child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)\n"
        "print(child.pid, child.stdout.readline(), flush=True)\n"
        "os._exit(0)\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    number, _, announcement = parent.stdout.partition(" ")
    assert announcement.startswith("emulator listening on http://127.0.0.1:")
    eventually(lambda: not _is_alive(int(number)))


def _is_alive(number: int) -> bool:
    try:
        return bool(psutil.Process(number).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_wrong_setting_on_the_command_line_is_named() -> None:
    arguments = ["--burst-seconds", "-1"]
    ended = subprocess.run(
        [sys.executable, "-m", "emulator", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 1
    assert "burst_seconds must be a number of at least 0" in ended.stderr
