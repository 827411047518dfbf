"""What the whole embedded stack costs while it is idle, and how soon it is ready.

    .venv/bin/python -m bench.workers.idle [--seconds 60] [--starts 3]

Starts `tunecurve up` in a folder of its own, waits until it is ready and settled, and reads of all
its processes the CPU time (/proc/PID/stat) over some seconds and the memory as PSS
(/proc/PID/smaps_rollup), which counts shared pages once. Linux only. The second and later starts
find the database made.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SETTLE_SECONDS = 15.0
_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 120.0


def main() -> None:
    """Print the starts, then one line for each kind of process, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="of idleness that are measured")
    parser.add_argument("--starts", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="idle-") as name:
        folder = Path(name)
        for number in range(options.starts):
            with _stack(folder) as (supervisor, seconds):
                print(f"start {number + 1}: ready after {seconds:.1f} s")
                if number == options.starts - 1:
                    time.sleep(_SETTLE_SECONDS)
                    _measure(supervisor, options.seconds)


@contextmanager
def _stack(folder: Path) -> Iterator[tuple[int, float]]:
    """Yield the supervisor's process id and how long the start took."""
    state, started = folder / "data" / "stack.json", time.monotonic()
    process = subprocess.Popen(  # noqa: S603  our own command
        [sys.executable, "-m", "tunecurve", "up", "--port", "0", "--data-dir", str(state.parent)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not state.exists():
            if process.poll() is not None or time.monotonic() - started > _START_SECONDS:
                raise SystemExit("the stack has not started")
            time.sleep(0.02)
        yield process.pid, time.monotonic() - started
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _measure(supervisor: int, seconds: float) -> None:
    before = {pid: _cpu_seconds(pid) for pid in _family(supervisor)}
    time.sleep(seconds)
    cpu: Counter[str] = Counter()
    memory: Counter[str] = Counter()
    for pid in _family(supervisor):
        cpu[_name(pid)] += _cpu_seconds(pid) - before.get(pid, 0.0)
        memory[_name(pid)] += _pss_bytes(pid)
    for name in sorted(cpu):
        print(f"{name:<24} {cpu[name] / seconds:6.2%} of a core {memory[name] / 1e6:7.0f} MB")
    total = f"{sum(cpu.values()) / seconds:6.2%} of a core {sum(memory.values()) / 1e6:7.0f} MB"
    print(f"{'in all':<24} {total} (bars: 3 %, 450 MB)")


def _family(root: int) -> list[int]:
    """Return a process and all below it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _pss_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024


def _name(pid: int) -> str:
    """Return the module or program that a process runs, with a worker's queues."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    if "-m" not in words:
        return Path(words[0]).name[:24]
    module = words[words.index("-m") + 1]
    queues = words[words.index("--queues") + 1] if "--queues" in words else ""
    return f"{module} {queues}"[:24].strip()


if __name__ == "__main__":
    main()
