"""How jobs are shown: state, progress and cost; while a command waits, bars or lines."""

import contextlib
import itertools
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from tunecurve.attempts import ENDED, FailedAttempts
from tunecurve.curves import curve_lines
from tunecurve.errors import JobFailedError, describe_problem
from tunecurve.money import UNKNOWN, money_text
from tunecurve.output import print_message

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tunecurve.client import Client

Job = Mapping[str, Any]

_NAME_WIDTH = 14
_KIND_WIDTH = 10
_NO_COST = "0.00"
_TUNING_KINDS = frozenset({"tune", "poll"})
_LOOK_SECONDS = 5.0  # between two looks at the curves of a job


class Display(Protocol):
    """Shows jobs; every call of `show` gets all of them. `show_lines` gets lines about one."""

    def show(self, jobs: Sequence[Job]) -> None: ...

    def show_lines(self, job: Job, lines: Sequence[str]) -> None: ...


def wait_for_job(
    client: "Client",
    identifier: str,
    *,
    timeout_seconds: float | None = None,
    resume: str = "tunecurve watch",
) -> dict[str, Any]:
    """Show a job until it ends and return it, in whichever state.

    Raises WaitTimeoutError. Ctrl-C leaves the job running and prints the command that resumes.
    """
    try:
        with open_display() as display:
            curves, failures = CurveWatch(client), FailedAttempts()

            def update(job: Job) -> None:
                jobs = _with_children(client, job)
                display.show(jobs)
                failed = failures.news([*jobs, *_open_shards(client, jobs)])
                for each, lines in itertools.chain(curves.changed(jobs), failed):
                    display.show_lines(each, lines)

            return client.wait(identifier, on_update=update, timeout_seconds=timeout_seconds)
    except KeyboardInterrupt:
        print_message(f"detached; the job keeps running. Resume with: {resume} {identifier}")
        raise


class CurveWatch:
    """Reads the training curves of jobs that tune; returns those that have new points."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._looked_at: dict[str, float] = {}
        self._printed: dict[str, list[str]] = {}

    def changed(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, list[str]]]:
        """Yield each job whose curves have changed, with a line for each series."""
        for job in jobs:
            model = (job.get("outputs") or {}).get("model")
            if model and job["kind"] in _TUNING_KINDS and self._may_have_news(job):
                lines = curve_lines(self._client.curves(model))
                if lines and lines != self._printed.get(model):
                    self._printed[model] = lines
                    yield job, lines

    def _may_have_news(self, job: Job) -> bool:
        """Return whether to look: now and then while it is tuned, and once at the end."""
        looked_at, now = self._looked_at.get(job["id"], -math.inf), time.monotonic()
        ended = job["state"] in ENDED
        if looked_at == math.inf or job["state"] not in {"waiting", "running", *ENDED}:
            return False
        if not ended and now - looked_at < _LOOK_SECONDS:
            return False
        self._looked_at[job["id"]] = math.inf if ended else now
        return True


def require_success(job: Job) -> None:
    """Raise JobFailedError with the reason unless the job succeeded."""
    if job["state"] == "succeeded":
        return
    reason = describe_problem(job["error"]) if job.get("error") else ""
    raise JobFailedError(f"{job['id']} {job['state']}{f': {reason}' if reason else ''}")


def _with_children(client: "Client", job: Job) -> list[Job]:
    """Return a job and its children, oldest first; a job of another kind has none."""
    if job["kind"] != "experiment":
        return [job]
    return [job, *sorted(client.list("jobs", parent=job["id"]), key=lambda child: str(child["id"]))]


def _open_shards(client: "Client", jobs: Sequence[Job]) -> list[Job]:
    """Return the open shards of jobs that wait for theirs: a job is held up where one fails."""
    parents = [job for job in jobs if job.get("reason") == "children"]
    return [
        shard
        for parent in parents
        if parent["kind"] != "experiment"
        for shard in client.list("jobs", parent=parent["id"], state="waiting")
    ]


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
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=target), refresh_per_second=4) as progress:
        yield BarDisplay(progress)


class PlainDisplay:
    """Writes a line when a job's state changes, not for each item done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: dict[str, str] = {}

    def show(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            state = state_text(job)
            if self._shown.get(job["id"]) == state:
                continue
            self._shown[job["id"]] = state
            line = f"{job_title(job)}  {state}  {progress_text(job)}  {cost_text(job)}".rstrip()
            print(line, file=self._stream, flush=True)

    def show_lines(self, job: Job, lines: Sequence[str]) -> None:
        for line in lines:
            print(f"{job_title(job)}  {line}", file=self._stream, flush=True)


class BarDisplay:
    """Keeps one bar for each job."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def show(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job["id"] not in self._bars:
                self._bars[job["id"]] = self._progress.add_task(job_title(job), state="")
            done, total = _counts(job)
            self._progress.update(
                self._bars[job["id"]],
                completed=done,
                total=total,
                state=f"{state_text(job)}  {progress_text(job)}  {cost_text(job)}".rstrip(),
            )

    def show_lines(self, job: Job, lines: Sequence[str]) -> None:
        for line in lines:
            self._progress.console.print(f"{job_title(job)}  {line}", highlight=False)


def job_title(job: Job) -> str:
    """Return variant and kind of a job, padded, such as `tuned@200  evaluate`."""
    variant = (job.get("labels") or {}).get("variant", "")
    return f"{variant:<{_NAME_WIDTH}}{job['kind']:<{_KIND_WIDTH}}"


def state_text(job: Job) -> str:
    """Return the state and its reason, such as `waiting (provider): training`, and the stage."""
    reason = f" ({job['reason']})" if job.get("reason") else ""
    stage = (job.get("progress") or {}).get("stage")
    shown = job["state"] == "running" or job.get("reason") == "provider"
    working = f": {stage.replace('_', ' ')}" if stage and shown else ""
    return f"{job['state']}{reason}{working}"


def progress_text(job: Job) -> str:
    """Return how far it is, such as `40/200 items`; empty where nothing has been counted."""
    progress = job.get("progress") or {}
    done, total = progress.get("done") or 0, progress.get("total")
    if not done and not total:
        return ""
    count = f"{done}{f'/{total}' if total else ''} {progress.get('unit') or ''}".rstrip()
    return f"{count}{_eta_text(progress.get('eta'))}"


def _eta_text(eta: str | None) -> str:
    """Return when it will be done, such as `, done about 14:05 UTC`; nothing where not known."""
    if eta is None:
        return ""
    moment = datetime.fromisoformat(eta).astimezone(UTC)
    day = "" if moment.date() == datetime.now(UTC).date() else f"{moment:%Y-%m-%d} "
    return f", done about {day}{moment:%H:%M} UTC"


def cost_text(job: Job) -> str:
    """Return what a job has cost, such as `0.12 of 1.50 USD`; empty where it cost nothing."""
    text = _amount_text(job)
    return f"{text} SYNTHETIC" if text and (job.get("cost") or {}).get("synthetic") else text


def _amount_text(job: Job) -> str:
    cost = job.get("cost") or {}
    actual, budget = cost.get("actual"), (job.get("budget") or {}).get("amount")
    if actual is None:
        return _partly_priced(cost)
    if actual == _NO_COST and budget is None:
        return ""
    estimated = _estimated(cost)
    limit = f" of {money_text(budget)}" if budget else ""
    return f"{money_text(actual)}{limit} {cost.get('currency', 'USD')}{estimated}"


def _estimated(cost: Mapping[str, Any]) -> str:
    uncounted = cost.get("uncounted") or _NO_COST
    if uncounted == _NO_COST:
        return ""
    return f", {money_text(uncounted)} of it estimated: no token counts"


def _partly_priced(cost: Mapping[str, Any]) -> str:
    if not (cost.get("requests") or cost.get("training_tokens")):
        return ""
    models = ", ".join(cost.get("unpriced") or ())
    if not models:
        return UNKNOWN
    known = f"{money_text(cost['known'])} {cost.get('currency', 'USD')}"
    return f"{known} and what {models} cost: {UNKNOWN}"


def summary_line(job: Job) -> str:
    """Return one line about a job: its id, state, and cost if any."""
    return "  ".join(part for part in (job["id"], job["state"], cost_text(job)) if part)


def _counts(job: Job) -> tuple[int, int | None]:
    if job["state"] == "succeeded":
        return 1, 1
    progress = job.get("progress") or {}
    return progress.get("done") or 0, progress.get("total") or None
