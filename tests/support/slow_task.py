"""A task for tests: it shows by files that it has started and ended."""

import time
from pathlib import Path

from workers.app import app


@app.task(name="tests.slow")
def slow(folder: str, name: str, seconds: str) -> None:
    marks = Path(folder)
    with (marks / f"{name}.started").open("a") as started:
        started.write("x")
    time.sleep(float(seconds))
    (marks / f"{name}.ended").touch()


@app.task(name="tests.until")
def until(folder: str, name: str, release: str) -> None:
    marks = Path(folder)
    (marks / f"{name}.started").touch()
    while not (marks / release).exists():
        time.sleep(0.01)
    (marks / f"{name}.ended").touch()
