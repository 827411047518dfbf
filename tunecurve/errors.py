"""Everything that the client raises: one tree, each error with its exit code."""

from collections.abc import Mapping, Sequence
from typing import Any

from tunecurve.exit_codes import ExitCode, exit_code_of_status


class TunecurveError(Exception):
    """The root: `str()` is a sentence for people, `exit_code` is for scripts."""

    exit_code = ExitCode.SERVER


class UnreachableError(TunecurveError):
    """No server answered, or what answered is no Tunecurve."""


class UsageError(TunecurveError):
    """The caller asked for something that makes no sense."""

    exit_code = ExitCode.USAGE


class ConfigurationError(TunecurveError):
    """A setting, a key or a program on this machine is missing or wrong."""

    exit_code = ExitCode.CONFIGURATION


class JobFailedError(TunecurveError):
    """The job ended, and not with `succeeded`."""

    exit_code = ExitCode.JOB_FAILED


class WaitTimeoutError(TunecurveError):
    """The job had not ended in the time allowed; it goes on."""

    exit_code = ExitCode.TIMEOUT


class ApiError(TunecurveError):
    """The server refused: an RFC 9457 problem with a stable `code`.

    `errors` are its faults, each `{pointer, code, message}`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        *,
        title: str,
        detail: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.exit_code = exit_code_of_status(status)
        super().__init__(describe_problem(self.as_json()))

    def as_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
            "errors": [dict(fault) for fault in self.errors],
        }


def describe_problem(problem: Mapping[str, Any]) -> str:
    """Return a problem object as lines for people: what happened, then each fault."""
    told = problem.get("detail") or problem.get("title") or "no reason was given"
    code = problem.get("code")
    faults = [_describe_fault(fault) for fault in problem.get("errors") or ()]
    return "\n".join([f"{told} ({code})" if code else str(told), *faults])


def _describe_fault(fault: Mapping[str, Any]) -> str:
    place = f"{fault['pointer']}: " if fault.get("pointer") else ""
    return f"  {place}{fault.get('message') or fault.get('code') or ''}"
