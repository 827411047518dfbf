"""The worker's own command line."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.processes import ROOT, inherited, run_process
from workers.__main__ import main


def _run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run_process("workers", arguments, env=inherited() | settings)


def test_a_queue_that_nobody_fills_is_refused_with_those_there_are() -> None:
    done = _run("--queues", "evaluate,evalute")

    assert done.returncode == 2
    assert "no queue 'evalute'; known: " in done.stderr
    assert "prepare" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(find_spec("torch") is None, reason="the extra `local` is not installed")
def test_more_slots_of_local_models_than_gpus_are_refused() -> None:
    settings = {"TUNECURVE_LOCAL_MODELS": "/models", "CUDA_VISIBLE_DEVICES": "0,GPU-5a1c,-1,3"}
    done = _run("--queues", "tune-local,evaluate-local", "--concurrency", "3", **settings)

    assert done.returncode == 2
    assert "--concurrency 3 is more than the 2 GPU(s) here" in done.stderr
    assert "set --concurrency 2" in done.stderr


def test_a_persons_own_modules_in_the_current_folder_are_not_imported(tmp_path: Path) -> None:
    for name in ("api", "client", "evaluate", "html", "mmap", "numpy", "service", "workers"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a module of somebody else')")

    words = [sys.executable, "-P", "-m", "workers", "--queues", "evalute"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "no queue 'evalute'; known: " in done.stderr


def test_a_worker_without_queues_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])

    assert "--queues" in capsys.readouterr().err


def test_an_address_of_redis_that_cannot_be_read_is_reported_in_a_sentence() -> None:
    done = _run("--queues", "evaluate", TUNECURVE_REDIS_URL="amqp://u:secret@h")

    assert done.returncode == 1
    assert "no Redis address has the scheme 'amqp'" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a file that is always full")
def test_a_worker_starts_though_its_output_is_on_a_full_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUNECURVE_REDIS_URL", f"unix://{tmp_path}/absent.sock")
    words = [sys.executable, "-m", "workers", "--queues", "prepare"]
    with (
        Path("/dev/full").open("w") as full,
        subprocess.Popen(words, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True) as made,
    ):
        assert made.stderr is not None
        reported = next((line for line in made.stderr if "event" in line), "")
        made.kill()
    assert "Cannot connect" in reported  # it tries again and again
