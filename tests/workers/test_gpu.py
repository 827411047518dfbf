"""Each slot of a worker's pool has a GPU of its own, or a share of the processors."""

import os
from importlib.util import find_spec

import pytest
from billiard import Pool, current_process

from workers.__main__ import slots_of
from workers.gpu import bound_slots, claim_gpu, visible_gpus

environment = os.environ  # noqa: TID251  CUDA's and OpenMP's variables, no settings
LOCAL = ["tune-local", "evaluate-local"]


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
    assert (slots_of("gpus"), slots_of("3")) == (slots, 3)


@pytest.mark.skipif(find_spec("torch") is None, reason="the extra `local` is not installed")
def test_slots_without_a_gpu_share_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert visible_gpus() == []
    assert bound_slots(["evaluate"], 2, local_models="/models") == ""
    assert bound_slots(LOCAL, 2, local_models="") == ""
    assert environment.get("OMP_NUM_THREADS") is None
    assert bound_slots(LOCAL, 2, local_models="/models") == ""
    assert environment.get("OMP_NUM_THREADS") == "4"
