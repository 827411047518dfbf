"""Seeing a job through to its end, from the command line."""

from typing import TYPE_CHECKING, Any

from tunecurve.errors import JobFailedError, describe_problem
from tunecurve.progress import open_display, say, with_children

if TYPE_CHECKING:
    from tunecurve.http import Client

Job = dict[str, Any]


def see_through(
    client: "Client",
    identifier: str,
    *,
    timeout_seconds: float | None = None,
    resume: str = "tunecurve watch",
) -> Job:
    """Show a job until it ends and return it, in whichever state.

    Raises WaitTimeoutError. Ctrl-C leaves the job running and says how to come back to it.
    """
    try:
        with open_display() as display:
            return client.wait(
                identifier,
                on_update=lambda job: display.show(with_children(client, job)),
                timeout_seconds=timeout_seconds,
            )
    except KeyboardInterrupt:
        say(f"detached; the job goes on. Come back with: {resume} {identifier}")
        raise


def require_success(job: Job) -> None:
    """Raise JobFailedError with the reason unless the job succeeded."""
    if job["state"] == "succeeded":
        return
    reason = describe_problem(job["error"]) if job.get("error") else ""
    raise JobFailedError(f"{job['id']} {job['state']}{f': {reason}' if reason else ''}")
