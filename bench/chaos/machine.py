"""What a storm does to the machine below the processes: its clocks and its disk.

Both need what not every machine has, a C compiler and the right to mount; a storm without them
says so.
"""

import contextlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.processes import parent_pid

_SOURCE = Path(__file__).with_name("clock.c")
# Seconds: an NTP step, a machine that woke up, a wrong time zone.
_STEPS = (-7200, -300, -20, 20, 300, 7200)


class Clocks:
    """The clocks of processes, stepped while they run; what waits does not see it.

    Each file of `folder` is one clock: that of the whole machine, or of one machine of a fleet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self.can_move = shutil.which("cc") is not None

    def env(self, name: str) -> Mapping[str, str]:
        """Return what a process needs in its environment to go by the clock of this name."""
        file = self._folder / name
        if not file.exists():
            _set(file, 0)
        return {"CHAOS_CLOCK": str(file)}

    def preload(self) -> None:
        """Let the processes that are forked from now on be able to go by a clock of ours.

        A library is loaded at the start of a program, so the fork server must be given it.
        """
        if not self.can_move:
            return
        library = self._folder.with_name("clock.so")
        words = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE)]
        subprocess.run(words, check=True)  # noqa: S603
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("LD_PRELOAD", str(library))
            parent_pid()  # starts it

    def step(self, draw: random.Random) -> str:
        """Step one clock; return its name."""
        names = sorted(file.name for file in self._folder.iterdir())
        name = draw.choice(names)
        _set(self._folder / name, draw.choice(_STEPS))
        return name

    def correct(self) -> None:
        for file in self._folder.iterdir():
            _set(file, 0)


def _set(file: Path, seconds: int) -> None:
    """Replace what a file says of its clock in one step: it is read at any moment."""
    partial = file.parent.parent / f"{file.name}.clock"
    partial.write_text(f"{seconds:+d}\n")
    partial.replace(file)


class Disk:
    """A small disk in memory, which is full at once when it is made as small as what it holds."""

    def __init__(self, folder: Path, *, mounted: bool) -> None:
        self.folder, self.can_fill = folder, mounted

    def fill(self) -> None:
        for _ in range(20):  # what is written meanwhile makes it too small
            status = os.statvfs(self.folder)
            used = (status.f_blocks - status.f_bfree) * status.f_frsize
            with contextlib.suppress(subprocess.CalledProcessError):
                return _mount(self.folder, f"remount,size={used}")
        message = "the disk cannot be made smaller"
        raise OSError(message)

    def empty(self) -> None:
        _mount(self.folder, f"remount,{_SIZE}")


_SIZE = "size=3g"


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Yield a disk at `folder`; without the right to mount it is a folder that never fills."""
    folder.mkdir()
    try:
        _mount(folder, f"{_SIZE},mode=755")
    except (OSError, subprocess.CalledProcessError):
        yield Disk(folder, mounted=False)
        return
    try:
        yield Disk(folder, mounted=True)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)  # noqa: S603, S607


def _mount(folder: Path, options: str) -> None:
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603
