"""A GPU of its own for each slot of a worker: two trainings on one would share its memory."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

from billiard import current_process

from service.task_queue import Queue

_VISIBLE, _THREADS = "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"
_LOCAL_QUEUES = frozenset({Queue.TUNE_LOCAL.value, Queue.EVALUATE_LOCAL.value})


def visible_gpus() -> list[str]:
    """Return the NVIDIA GPUs that this process may use, without loading anything for it.

    CUDA's variable names them by number or by UUID, the first that there cannot be ends the list;
    without the variable these are all of the machine.
    """
    named = os.environ.get(_VISIBLE)  # noqa: TID251  CUDA's, not a setting
    if named is None:
        return [str(at) for at, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]
    return list(takewhile(lambda each: each not in {"", "-1"}, map(str.strip, named.split(","))))


def bound_slots(queues: Sequence[str], slots: int, *, local_models: str) -> str:
    """Bound the slots of a worker of local models; return why it may not have so many, or nothing.

    Where GPUs are, each slot needs one. Without, the slots' threads are bounded so that all of them
    together leave a processor; a bound that the operator has set stands.
    """
    served, gpus = _LOCAL_QUEUES.intersection(queues), visible_gpus()
    if slots == 1 or not (served and local_models and find_spec("torch")):
        return ""
    if slots > len(gpus) > 0:
        return (
            f"--concurrency {slots} is more than the {len(gpus)} GPU(s) here, and each slot of "
            f"{', '.join(sorted(served))} takes one: set --concurrency {len(gpus)}"
        )
    share = max(1, ((os.cpu_count() or 1) - 1) // slots)
    os.environ.setdefault(_THREADS, str(share))  # noqa: TID251  OpenMP's, not a setting
    return ""


def claim_gpu() -> None:
    """Leave this process the GPU of its slot; a second call, and one without GPUs, do nothing.

    CUDA reads the variable when it starts: nothing may have touched a GPU before.
    """
    gpus, slot = visible_gpus(), getattr(current_process(), "index", 0)
    if len(gpus) > 1:
        os.environ[_VISIBLE] = gpus[slot % len(gpus)]  # noqa: TID251  CUDA's, not a setting
