"""Checkpoints on disk: one that was not written to its end is none."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.tuning.providers.local.checkpoints import (
    checkpoint_at,
    mark_whole,
    newest_checkpoint,
)


@contextmanager
def full_disk() -> Iterator[None]:
    """Refuse each byte written to a file, as a kill between its creation and its first byte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_newest_whole_checkpoint_is_found(tmp_path: Path) -> None:
    for step in (9, 10):
        checkpoint_at(tmp_path, step).mkdir()
        mark_whole(checkpoint_at(tmp_path, step), seconds=step / 2)
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, found.seconds) == (10, 5.0)


def test_a_mark_that_was_not_written_to_its_end_marks_nothing(tmp_path: Path) -> None:
    folder = checkpoint_at(tmp_path, 10)
    folder.mkdir()
    with full_disk(), pytest.raises(OSError, match="too large"):
        mark_whole(folder, seconds=1.0)
    assert newest_checkpoint(tmp_path) is None
    assert not folder.exists()
