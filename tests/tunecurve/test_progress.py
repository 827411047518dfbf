"""How waiting looks: lines for logs, bars for terminals."""

import io

from rich.console import Console
from rich.progress import Progress, TextColumn

from tests.tunecurve.tiny_service import new_job
from tunecurve.progress import BarDisplay, PlainDisplay, open_display

CHILD = new_job(2, "tune", labels={"variant": "tuned@200"}, state="waiting", reason="provider")


def test_a_child_is_named_by_its_variant_and_why_it_waits() -> None:
    stream = io.StringIO()
    PlainDisplay(stream).show([CHILD])
    assert stream.getvalue().split() == ["tuned@200", "tune", "waiting", "(provider)"]


def test_a_line_is_written_only_when_a_jobs_state_changes() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream)
    counting = {"done": 3, "total": 200, "unit": "items", "stage": "predict"}
    running = {**CHILD, "state": "running", "reason": None, "progress": counting}
    for job in (CHILD, CHILD, running, {**running, "progress": {**counting, "done": 50}}):
        display.show([job])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[1].endswith("running: predict  3/200 items")


def test_what_is_no_terminal_gets_plain_lines() -> None:
    stream = io.StringIO()
    with open_display(stream) as display:
        assert isinstance(display, PlainDisplay)


def test_a_terminal_gets_one_bar_for_each_job() -> None:
    stream = io.StringIO()
    columns = (TextColumn("{task.description} {task.fields[state]} {task.percentage:.0f}"),)
    console = Console(file=stream, force_terminal=True, width=100)
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        display = BarDisplay(progress)
        display.show([new_job(1, "experiment"), CHILD])
        display.show([new_job(1, "experiment", state="succeeded"), CHILD])
        assert [task.percentage for task in progress.tasks] == [100, 0]
        assert progress.tasks[1].fields["state"] == "waiting (provider)"
