"""Why attempts of jobs failed, and when the next ones come."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tunecurve.errors import describe_problem

Job = Mapping[str, Any]

ENDED = frozenset({"succeeded", "failed", "cancelled"})


class FailedAttempts:
    """Tells once of each failed attempt of a job that is tried again, and of each failed child."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[object, ...]] = {}

    def news(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, list[str]]]:
        """Yield each job whose latest attempt has failed since, with a line that says why."""
        for job in jobs:
            if line := attempt_line(job) or _failure_line(job):
                told = tuple(job["error"].get(key) for key in ("attempt", "code", "detail"))
                if told != self._told.get(job["id"]):
                    self._told[job["id"]] = told
                    yield job, [line]


def _failure_line(job: Job) -> str:
    """Return why a child failed by itself; the failure of a job that was waited for ends the
    command.
    """
    error = job.get("error")
    if job["state"] != "failed" or not error or not job.get("parent"):
        return ""
    return "" if error.get("code") == "input_failed" else describe_problem(error)


def attempt_line(job: Job) -> str:
    """Return why the latest attempt of an open job failed, such as `attempt 2 of 5 failed: …; the
    next at 14:05:10 UTC`; empty where none has.
    """
    error = job.get("error")
    if not error or job["state"] in ENDED:
        return ""
    number, limit = error.get("attempt"), error.get("attempts_limit")
    count = f"attempt {number} of {limit}" if number else "an attempt"
    resumes = job.get("resume_at")
    due = datetime.fromisoformat(resumes).astimezone(UTC) if resumes else None
    following = f"; the next at {due:%H:%M:%S} UTC" if due else ""
    return f"{count} failed: {describe_problem(error)}{following}"
