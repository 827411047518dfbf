"""A GPU of its own for each slot of a worker: two trainings on one would share its memory."""

import os
from pathlib import Path

from billiard import current_process

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def count_gpus() -> int:
    """Return how many NVIDIA GPUs this machine has, without loading anything for it."""
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def claim_gpu() -> None:
    """Leave this process the GPU of its slot; a second call, and one without GPUs, do nothing.

    CUDA reads the variable when it starts: nothing may have touched a GPU before. One that the
    operator has set stands.
    """
    gpus, slot = count_gpus(), getattr(current_process(), "index", 0)
    if gpus > 1:
        os.environ.setdefault(_VISIBLE, str(slot % gpus))  # noqa: TID251  CUDA's, not a setting
