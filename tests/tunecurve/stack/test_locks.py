"""Locks on a folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tunecurve.stack.locks import LockedError, is_locked, locked, take_lock

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_is_refused_while_another_process_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "stack.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        file.write_text(f"{other.pid}\n")
        assert is_locked(file)
        with pytest.raises(LockedError) as caught, locked(file):
            pass
        assert caught.value.holder == other.pid
        other.communicate("")
    assert not is_locked(file)


def test_a_holder_names_itself_and_lets_go(tmp_path: Path) -> None:
    file = tmp_path / "stack.lock"
    assert not is_locked(file)
    with locked(file):
        assert file.read_text() == f"{os.getpid()}\n"
        assert is_locked(file)
    assert not is_locked(file)


def test_looking_at_a_lock_does_not_take_it(tmp_path: Path) -> None:
    file = tmp_path / "stack.lock"
    file.touch()
    assert not is_locked(file)
    with locked(file):
        pass


def test_a_lock_stays_with_a_child_it_was_handed_to(tmp_path: Path) -> None:
    file = tmp_path / "redis.lock"
    descriptor = take_lock(file)
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(descriptor,)
    ) as child:
        os.close(descriptor)
        assert is_locked(file)
        child.communicate(b"\n")
    assert not is_locked(file)
