"""How a job and its children are shown while one waits: bars on a terminal, lines elsewhere."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from tunecurve.costs import cost_of

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tunecurve.http import Client

Job = Mapping[str, Any]

_NAME_WIDTH = 14
_KIND_WIDTH = 10


class Display(Protocol):
    """Shows jobs; it is told of all of them again at every look."""

    def show(self, jobs: Sequence[Job]) -> None: ...


def say(message: str) -> None:
    """Tell people something; standard output stays clean for data."""
    print(message, file=sys.stderr, flush=True)


def with_children(client: "Client", job: Job) -> list[Job]:
    """Return a job and its children, oldest first; a job of another kind has none."""
    if job["kind"] != "experiment":
        return [job]
    return [job, *sorted(client.jobs(parent=job["id"]), key=lambda child: str(child["id"]))]


@contextlib.contextmanager
def open_display(stream: TextIO | None = None) -> Iterator[Display]:
    """Yield bars where `stream` (standard error) is a terminal, plain lines otherwise."""
    target = stream or sys.stderr
    if not target.isatty():
        yield PlainDisplay(target)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[standing]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=target), refresh_per_second=4) as progress:
        yield BarDisplay(progress)


class PlainDisplay:
    """Writes a line when a job's standing changes, not for each item it gets done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told: dict[str, str] = {}

    def show(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            standing = standing_of(job)
            if self._told.get(job["id"]) == standing:
                continue
            self._told[job["id"]] = standing
            line = f"{name_of(job)}  {standing}  {progress_of(job)}  {cost_of(job)}".rstrip()
            print(line, file=self._stream, flush=True)


class BarDisplay:
    """Keeps one bar for each job."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def show(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job["id"] not in self._bars:
                self._bars[job["id"]] = self._progress.add_task(name_of(job), standing="")
            done, total = _counts(job)
            self._progress.update(
                self._bars[job["id"]],
                completed=done,
                total=total,
                standing=f"{standing_of(job)}  {progress_of(job)}  {cost_of(job)}".rstrip(),
            )


def name_of(job: Job) -> str:
    """Return what a person calls the job: its variant and kind, such as `tuned@200  evaluate`."""
    variant = (job.get("labels") or {}).get("variant", "")
    return f"{variant:<{_NAME_WIDTH}}{job['kind']:<{_KIND_WIDTH}}"


def standing_of(job: Job) -> str:
    """Return the state and its reason, such as `waiting (provider)`, and the stage if any."""
    reason = f" ({job['reason']})" if job.get("reason") else ""
    stage = (job.get("progress") or {}).get("stage")
    working = f": {stage}" if stage and job["state"] == "running" else ""
    return f"{job['state']}{reason}{working}"


def progress_of(job: Job) -> str:
    """Return how far it is, such as `40/200 items`; empty where nothing has been counted."""
    progress = job.get("progress") or {}
    done, total = progress.get("done") or 0, progress.get("total")
    if not done and not total:
        return ""
    return f"{done}{f'/{total}' if total else ''} {progress.get('unit') or ''}".rstrip()


def _counts(job: Job) -> tuple[int, int | None]:
    if job["state"] == "succeeded":
        return 1, 1
    progress = job.get("progress") or {}
    return progress.get("done") or 0, progress.get("total") or None
