"""`tunecurve emulator` as a person or a script starts it."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2

ANNOUNCEMENT = "emulator listening on "


@contextmanager
def running(
    arguments: Sequence[str], *, folder: Path
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Yield the process and the address it prints."""
    command = [sys.executable, "-P", "-m", "tunecurve", "emulator", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith(ANNOUNCEMENT)
        yield process, line.removeprefix(ANNOUNCEMENT).strip()
    finally:
        process.terminate()
        process.wait(timeout=300)
        process.stdout.close()


def test_it_serves_keeps_its_state_and_ends_by_a_signal(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    own = tmp_path / "emulator"
    own.mkdir()
    (own / "__init__.py").write_text("raise SystemExit('a module of somebody else')")
    with running(["--state", state, "--latency-seconds", "0.25"], folder=tmp_path) as (
        process,
        url,
    ):
        assert url.startswith("http://127.0.0.1:")
        assert httpx2.get(f"{url}/_emulator/config", timeout=300).json()["latency_seconds"] == 0.25
        created = httpx2.post(f"{url}/storage/v1/b?project=lab", json={"name": "kept"}, timeout=300)
        assert created.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=300) in {0, -signal.SIGTERM}
    with running(["--state", state, "--host", "127.0.0.1", "--port", "0"], folder=tmp_path) as (
        _,
        url,
    ):
        assert httpx2.get(f"{url}/storage/v1/b/kept", timeout=300).json()["name"] == "kept"


def test_what_the_emulator_does_not_know_is_a_usage_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tunecurve", "emulator", "--surprise", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 2
    assert "--surprise" in ended.stderr
