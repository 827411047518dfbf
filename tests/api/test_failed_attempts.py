"""An attempt that fails by an exception nobody foresaw: what job, events, command and log say."""

import errno
import importlib
import itertools
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from service.jobs.claims import claim_job
from service.jobs.leases import LeasedRun
from service.jobs.models import Job
from service.jobs.sweeps import wake_due
from tests.api.server import Api, Caller
from tunecurve.cli import run as tunecurve
from workers.job_task import Ending

DATA = "Jane Doe"  # what a row holds
SPEC = {"preset": "pii", "source": {"type": "synthetic", "rows": 400}, "train_sizes": [50]}


def without_a_package() -> None:
    importlib.import_module("a_package_that_is_not_here")


def without_a_file() -> None:
    raise FileNotFoundError(errno.ENOENT, DATA, DATA)


def with_a_bug() -> None:
    raise KeyError(DATA)


FAULTS = {
    without_a_package: ("ModuleNotFoundError", ": No module named 'a_package_that_is_not_here'"),
    without_a_file: ("FileNotFoundError", ": No such file or directory"),
    with_a_bug: ("KeyError", ""),
}


def attempt(api: Api, job_id: str, fault: Callable[[], None] | None, *, kind: str) -> None:
    """Be the worker of one attempt of a job, by now of the kind; without a fault it succeeds."""
    with api.services.sessions.transaction() as session:
        session.get_one(Job, job_id).kind = kind
    soon = api.services.sessions.now() + timedelta(minutes=5)
    wake_due(soon, sessions=api.services.sessions)
    claim = claim_job(job_id, sessions=api.services.sessions, lease_seconds=30, attempts_limit=5)
    assert claim is not None

    def operation(*_: object) -> None:
        if fault is not None:
            fault()

    with LeasedRun(*claim, sessions=api.services.sessions, lease_seconds=30) as run:
        Ending(*claim, api.services).record(run, operation)


def test_an_unexpected_exception_is_told_with_kind_place_and_attempt_whatever_the_job(
    api: Api, caller: Caller, capfd: pytest.CaptureFixture[str]
) -> None:
    for kind, (fault, (name, words)) in zip(
        api.services.kinds, itertools.cycle(FAULTS.items()), strict=False
    ):
        job = caller.submit("prepare", SPEC)["id"]
        attempt(api, job, fault, kind=kind)
        shown = caller.get(f"/v1/jobs/{job}").json()
        assert (shown["state"], shown["reason"]) == ("waiting", "retry")
        error = shown["error"]
        assert (error["attempt"], error["attempts_limit"]) == (1, 5)
        assert re.search(rf"unexpected {name} in [\w.]+:\d+{re.escape(words)};", error["detail"])
        event = caller.get(f"/v1/events?job={job}&type=job.waiting").json()["data"][-1]["data"]
        assert (event["why"], event["attempt"]) == (error["detail"], 1)
        told = "".join(capfd.readouterr())
        assert f"{name} in workers.job_task:" in told
        assert DATA not in f"{told} {error} {event}"


def test_the_command_says_why_a_job_is_tried_again_and_nothing_once_it_has_succeeded(
    api: Api, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    job = caller.submit("prepare", SPEC)["id"]
    server = ["--url", api.url, "--key", caller.secret]
    attempt(api, job, without_a_package, kind="prepare")
    for command in (["jobs"], ["get", job]):
        tunecurve([*command, *server])
        told = "".join(capsys.readouterr())
        assert "attempt 1 of 5 failed: unexpected ModuleNotFoundError in workers.job_task:" in told
        assert "the next at " in told
    attempt(api, job, None, kind="prepare")
    shown = caller.get(f"/v1/jobs/{job}").json()
    assert (shown["state"], shown["error"]) == ("succeeded", None)
    tunecurve(["jobs", *server])
    assert "failed" not in "".join(capsys.readouterr())
