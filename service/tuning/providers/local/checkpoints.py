"""Checkpoints of a training on disk: which are whole, and the newest of them to continue from.

A worker may be killed while it writes one; a mark that appears last, in one step, shows that it is
whole.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

_MARK = "whole"
_PREFIX = "checkpoint-"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`seconds` is how long all training took that led here."""

    folder: Path
    step: int
    seconds: float


def mark_whole(folder: Path, *, seconds: float) -> None:
    """Say that a checkpoint is whole; a kill at any moment leaves the mark whole or absent."""
    partial = folder / f"{_MARK}.partial"
    partial.write_text(json.dumps({"seconds": seconds}), encoding="utf-8")
    partial.replace(folder / _MARK)


def checkpoint_at(training: Path, step: int) -> Path:
    return training / f"{_PREFIX}{step}"


def newest_checkpoint(training: Path) -> Checkpoint | None:
    """Return the newest whole checkpoint of a training; what a killed worker left is deleted."""
    newest: Checkpoint | None = None
    for folder in training.glob(f"{_PREFIX}*"):
        if not (folder / _MARK).is_file():
            shutil.rmtree(folder)
            continue
        seconds = json.loads((folder / _MARK).read_text(encoding="utf-8"))["seconds"]
        found = Checkpoint(folder, int(folder.name.removeprefix(_PREFIX)), float(seconds))
        if newest is None or found.step > newest.step:
            newest = found
    return newest
