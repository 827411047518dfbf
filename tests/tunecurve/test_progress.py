"""How waiting looks: lines for logs, bars for terminals."""

import io

from rich.console import Console
from rich.progress import Progress, TextColumn

from tests.tunecurve.tiny_service import TinyService, new_job
from tunecurve.attempts import FailedAttempts
from tunecurve.client import Client
from tunecurve.progress import BarDisplay, CurveWatch, PlainDisplay, open_display

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


def test_a_tuning_shows_its_phase_its_epochs_and_when_it_will_be_done() -> None:
    stream = io.StringIO()
    eta = "2031-01-02T14:05:00.000000Z"
    progress = {"done": 2, "total": 8, "unit": "epochs", "stage": "training", "eta": eta}
    PlainDisplay(stream).show([{**CHILD, "progress": progress}])
    shown = "waiting (provider): training  2/8 epochs, done about 2031-01-02 14:05 UTC"
    assert shown in stream.getvalue()


def test_curves_are_printed_when_they_change_and_once_at_the_end(
    client: Client, service: TinyService
) -> None:
    path, point = "/v1/models/model_1/curves", {"step": 10, "value": 0.5}
    later = [point, {"step": 20, "value": 0.25}]
    service.objects[path] = [
        {"complete": False, "series": {"train_loss": [point]}},
        {"complete": True, "series": {"train_loss": later}},
    ]
    curves, tuned = CurveWatch(client), {**CHILD, "outputs": {"model": "model_1"}}
    ended = {**tuned, "state": "succeeded"}
    printed = [list(curves.changed(jobs)) for jobs in ([tuned], [tuned], [ended], [ended])]
    assert [[lines for _, lines in each] for each in printed] == [
        [["train_loss  ▁  0.5 at step 10"]],
        [],
        [["train_loss  █▁  0.25 at step 20"]],
        [],
    ]
    assert [seen.path for seen in service.seen] == [path, path]


def test_lines_of_curves_are_shown_beside_their_job() -> None:
    stream = io.StringIO()
    PlainDisplay(stream).show_lines(CHILD, ["train_loss  ▁  0.5 at step 10"])
    assert stream.getvalue().startswith("tuned@200")
    assert "0.5 at step 10" in stream.getvalue()


def test_an_attempt_that_failed_and_a_child_that_failed_are_told_of_once() -> None:
    error = {"code": "internal", "detail": "unexpected KeyError", "attempt": 2, "attempts_limit": 5}
    due = "2031-01-02T14:05:10.000000Z"
    again = {**CHILD, "reason": "retry", "error": error, "resume_at": due}
    failed = {**CHILD, "state": "failed", "error": error, "parent": "job_1"}
    unmade = {**failed, "id": "job_3", "error": {"code": "input_failed", "detail": "not made"}}
    failures = FailedAttempts()
    told = [line for _, lines in failures.news([again, unmade]) for line in lines]
    assert told == [
        "attempt 2 of 5 failed: unexpected KeyError (internal); the next at 14:05:10 UTC"
    ]
    assert list(failures.news([again])) == []
    assert [lines for _, lines in FailedAttempts().news([failed])] == [
        ["unexpected KeyError (internal)"]
    ]
