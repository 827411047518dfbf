"""Each slot of a worker's pool has a GPU of its own, or a share of the processors."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
from billiard import Pool, current_process

from tests.support.eventually import eventually
from workers.gpu import claim_gpu, take_slots, visible_gpus

environment = os.environ  # noqa: TID251  CUDA's and OpenMP's variables, no settings
LOCAL = ["tune-local", "evaluate-local"]
LOCKS = Path("/dev/shm")
needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="the extra `local` is not installed"
)


def claimed(_: int) -> tuple[int, str | None]:
    claim_gpu()
    claim_gpu()  # by the slot's next task
    return getattr(current_process(), "index", -1), environment.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [("2,GPU-5a1c", {0: "2", 1: "GPU-5a1c"}), ("3", {0: "3", 1: "3"}), ("", {0: "", 1: ""})],
)
def test_a_slot_has_the_gpu_of_its_place_among_those_that_are_visible(
    visible: str, gpus: dict[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with Pool(2) as pool:
        found = dict(pool.map(claimed, range(40), chunksize=1))
    assert found.items() <= gpus.items()


@pytest.mark.parametrize(("visible", "slots"), [("2,GPU-5a1c", 2), ("-1", 1), ("", 1)])
def test_a_worker_may_have_a_slot_for_each_gpu_else_one(
    visible: str, slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert take_slots(["evaluate"], "gpus", local_models="") == slots
    assert take_slots(["evaluate"], "3", local_models="") == 3


@needs_torch
def test_slots_without_a_gpu_share_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert visible_gpus() == []
    assert take_slots(["evaluate"], "2", local_models="/models") == 2
    assert take_slots(LOCAL, "2", local_models="") == 2
    assert environment.get("OMP_NUM_THREADS") is None
    assert take_slots(LOCAL, "2", local_models="/models") == 2
    assert environment.get("OMP_NUM_THREADS") == "4"


TAKES = """
import os, sys
from service.errors import Unavailable
from tests.support.eventually import eventually
from workers.gpu import take_slots
try:
    slots = take_slots(["tune-local"], sys.argv[1], local_models="/models")
except Unavailable as error:
    print(error.message, flush=True)
else:
    print(slots, os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    if os.fork() == 0:
        print("slot", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of two GPUs that no other test has."""
    names = [f"GPU-{uuid4()}" for _ in range(2)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(names))
    yield names
    for name in names:
        (LOCKS / f"tunecurve-gpu-{name}.lock").unlink(missing_ok=True)


@contextlib.contextmanager
def worker(concurrency: str) -> Iterator[subprocess.Popen[str]]:
    """A process that takes GPUs as a worker does, with a slot, until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-c", TAKES, concurrency],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield process
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@needs_torch
def test_workers_of_a_machine_take_no_gpu_of_each_other(gpus: list[str]) -> None:
    with worker("1") as one:
        assert said(one) == f"1 {gpus[0]}"
        with worker("2") as two:
            assert said(two).startswith("of the 2 GPU(s) here fewer than 2 are free: other work")
        with worker("gpus") as rest:
            assert said(rest) == f"1 {gpus[1]}"
            with worker("gpus") as none:
                assert "fewer than 1 are free" in said(none)


@needs_torch
def test_a_gpu_is_free_once_its_worker_and_the_slots_have_ended(gpus: list[str]) -> None:
    def is_free() -> bool:
        with worker("1") as late:
            return said(late) == f"1 {gpus[0]}"

    with worker("gpus") as one:
        assert said(one) == f"2 {','.join(gpus)}"
        assert said(one) == "slot"
        one.kill()
        one.wait()
        assert not is_free()
    eventually(is_free, what="a GPU is held by nobody")
