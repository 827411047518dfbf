"""The baselines at work: processes of their own, under the quota of the same emulator."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class BaselineProcess:
    """One process of a baseline: prepared, started, and read for its figures."""

    def __init__(self, words: Sequence[str]) -> None:
        script = Path(__file__).with_name("baseline_clients.py")
        self._process = subprocess.Popen(  # noqa: S603  our own script
            [sys.executable, script, *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def until_ready(self) -> None:
        """Wait until it has imported what it needs."""
        assert self._process.stdout  # noqa: S101  mypy: it is a pipe
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("a baseline did not start")

    def go(self) -> None:
        """Let it start its calls."""
        assert self._process.stdin  # noqa: S101  mypy: it is a pipe
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def result(self) -> dict[str, float]:
        """Wait for its end and return the figures of its run."""
        output, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"a baseline ended with {self._process.returncode}")
        answer: dict[str, float] = json.loads(output.splitlines()[-1])
        return answer

    def kill(self) -> None:
        """`kill -9`; harmless when it has ended."""
        self._process.kill()
        self._process.wait()


@contextmanager
def start_baseline(
    name: str,
    url: str,
    prompts: Sequence[str],
    *,
    requests_per_minute: float = 0,
    cache: Path | None = None,
) -> Iterator[BaselineProcess]:
    """Yield a baseline that gets ready; it ends with the block."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(list(prompts), file)
        file.flush()
        words = [name, "--url", url, "--prompts", file.name]
        words += ["--requests-per-minute", str(requests_per_minute)]
        process = BaselineProcess([*words, "--cache", str(cache)] if cache else words)
        try:
            yield process
        finally:
            process.kill()


def run_baseline(
    name: str,
    url: str,
    prompts: Sequence[str],
    requests_per_minute: float = 0,
    *,
    cache: Path | None = None,
) -> dict[str, float]:
    """Run a baseline to its end and return its figures."""
    with start_baseline(
        name, url, prompts, requests_per_minute=requests_per_minute, cache=cache
    ) as process:
        process.until_ready()
        process.go()
        return process.result()
