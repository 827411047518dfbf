"""Folders of work are gone with their process, whether it ends by itself or is killed."""

import errno
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from service.work_folders import error_of_work_disk, work_folder

_HOLDER = """
import sys
from service.work_folders import work_folder
with work_folder() as folder:
    (folder / "rows").write_text("of people")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_what_a_killed_process_left_is_deleted_and_what_another_uses_is_not(
    temporary: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        theirs = Path(holder.stdout.readline().strip())
        with work_folder() as ours:
            assert (theirs / "rows").exists()
            holder.kill()
            holder.wait()
            with work_folder() as next_one:
                assert sorted(temporary.iterdir()) == sorted([ours, next_one])
    assert list(temporary.iterdir()) == []


def test_only_want_of_room_is_reported_as_such(temporary: Path) -> None:
    full = error_of_work_disk(OSError(errno.ENOSPC, "No space left on device"))
    assert full is not None
    assert (full.code, full.retryable) == ("work_disk_full", True)
    assert str(temporary) in full.message
    assert error_of_work_disk(FileNotFoundError(errno.ENOENT, "")) is None
    assert error_of_work_disk(OSError("a transport's own words")) is None
