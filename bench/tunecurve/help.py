"""Measure how long `tunecurve --help` lets a person wait: at most a second, by the best of runs.

    python bench/tunecurve/help.py [--rounds 5]

Beside it an interpreter that does nothing. Exits with 1 when the bar is missed.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_MOST_SECONDS = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    bare = min(_seconds("-c", "pass") for _ in range(rounds))
    answered = min(_seconds("-m", "tunecurve", "--help") for _ in range(rounds))
    print(f"bare interpreter {bare:.2f} s, --help {answered:.2f} s, bar {_MOST_SECONDS:.2f} s")
    return int(answered > _MOST_SECONDS)


def _seconds(*words: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=_ROOT, capture_output=True, check=True)  # noqa: S603  these words
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
