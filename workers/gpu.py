"""A GPU of its own for each slot of a worker: two trainings on one would share its memory."""

import fcntl
import os
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

from billiard import current_process

from service.errors import Invalid, Unavailable
from service.task_queue import Queue

GPUS = "gpus"
_LOCKS = Path("/dev/shm")  # noqa: S108  of the machine, for all users, and nobody cleans it up
_UNSAFE = re.compile(r"[^\w-]")
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


def take_slots(queues: Sequence[str], concurrency: str, *, local_models: str) -> int:
    """Return how many jobs a worker works on at once: a number, or of `gpus` one for each, or one.

    Where it serves local models and GPUs are here, each slot needs one that no other worker on this
    machine has: they are this worker's until it and its slots have ended. Of `gpus` it takes those
    that are free. Without GPUs, the slots' threads are bounded so that all of them together leave a
    processor; a bound that the operator has set stands. Raises Invalid where more slots are asked
    for than GPUs are here, and Unavailable where too few are free.
    """
    served, gpus = _LOCAL_QUEUES.intersection(queues), visible_gpus()
    slots = max(1, len(gpus)) if concurrency == GPUS else int(concurrency)
    if not (served and local_models and find_spec("torch")):
        return slots
    if gpus:
        return _take_gpus(gpus, slots, least=1 if concurrency == GPUS else slots, served=served)
    if slots > 1:
        share = max(1, ((os.cpu_count() or 1) - 1) // slots)
        os.environ.setdefault(_THREADS, str(share))  # noqa: TID251  OpenMP's, not a setting
    return slots


def _take_gpus(gpus: Sequence[str], slots: int, *, least: int, served: Collection[str]) -> int:
    if slots > len(gpus):
        raise Invalid(
            f"--concurrency {slots} is more than the {len(gpus)} GPU(s) here, and each slot of "
            f"{', '.join(sorted(served))} takes one: set --concurrency {len(gpus)}"
        )
    locks: dict[str, int] = {}
    for gpu in gpus:
        if len(locks) < slots and (lock := _lock(gpu)) is not None:
            locks[gpu] = lock
    if len(locks) < least:
        for lock in locks.values():
            os.close(lock)
        raise Unavailable(
            f"of the {len(gpus)} GPU(s) here fewer than {least} are free: other workers on this "
            f"machine have the rest ({', '.join(gpus)}; locks in {_LOCKS}). End one of them, or "
            "name other GPUs in CUDA_VISIBLE_DEVICES"
        )
    os.environ[_VISIBLE] = ",".join(locks)  # noqa: TID251  CUDA's, not a setting
    return len(locks)


def _lock(gpu: str) -> int | None:
    """Return a descriptor that holds a GPU's lock until it and its copies are closed, or None."""
    file = _LOCKS / f"tunecurve-gpu-{_UNSAFE.sub('_', gpu)}.lock"
    try:
        lock = _open(file)
    except OSError as error:
        message = f"the lock of GPU {gpu} cannot be opened: {file}: {error.strerror}"
        raise Unavailable(message) from error
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    os.close(lock)
    return None


def _open(file: Path) -> int:
    """Open a lock to read, which suffices, as it may be another user's; make it where it is not."""
    with suppress(FileNotFoundError):
        return os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    made = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CREAT, 0o644)
    with suppress(PermissionError):  # another user's, who has made it meanwhile
        os.fchmod(made, 0o644)  # whatever the umask
    return made


def claim_gpu() -> None:
    """Leave this process the GPU of its slot; a second call, and one without GPUs, do nothing.

    CUDA reads the variable when it starts: nothing may have touched a GPU before.
    """
    gpus, slot = visible_gpus(), getattr(current_process(), "index", 0)
    if len(gpus) > 1:
        os.environ[_VISIBLE] = gpus[slot % len(gpus)]  # noqa: TID251  CUDA's, not a setting
