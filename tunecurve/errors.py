"""Everything that the package raises: one tree, each error with the exit code of the command."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """The exit status of `tunecurve`.

    70 and 75 are those of sysexits.h, 124 that of timeout(1), 130 that of SIGINT.
    """

    OK = 0
    JOB_FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    CONFLICT = 4
    SERVER = 5
    DEFECT = 70
    RATE_LIMITED = 75
    TIMEOUT = 124
    INTERRUPTED = 130


_CLIENT_ERRORS = range(400, 500)
_BY_STATUS = {
    401: ExitCode.CONFIGURATION,
    403: ExitCode.CONFIGURATION,
    404: ExitCode.CONFLICT,
    408: ExitCode.SERVER,
    409: ExitCode.CONFLICT,
    412: ExitCode.CONFLICT,
    429: ExitCode.RATE_LIMITED,
}


def exit_code_of_status(status: int) -> ExitCode:
    """Return the exit code of an HTTP error: other 4xx mean that the request was wrong."""
    fallback = ExitCode.USAGE if status in _CLIENT_ERRORS else ExitCode.SERVER
    return _BY_STATUS.get(status, fallback)


class TunecurveError(Exception):
    """The root: `str()` is a sentence for people, `exit_code` is for scripts."""

    exit_code = ExitCode.SERVER


class UnreachableError(TunecurveError):
    """No server answered, or what answered is no Tunecurve."""


class UsageError(TunecurveError):
    """An argument is missing, malformed or contradicts another."""

    exit_code = ExitCode.USAGE


class ConfigurationError(TunecurveError):
    """A setting, a key or a program on this machine is missing or wrong."""

    exit_code = ExitCode.CONFIGURATION


class JobFailedError(TunecurveError):
    """The job ended as `failed` or `cancelled`."""

    exit_code = ExitCode.JOB_FAILED


class WaitTimeoutError(TunecurveError):
    """The job had not ended in the time allowed; it keeps running."""

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

    @classmethod
    def of(cls, problem: Mapping[str, Any]) -> "ApiError":
        """Return the error that a problem document describes, whatever it lacks."""
        status = int(problem["status"])
        stated = problem.get("errors")
        faults = stated if isinstance(stated, list) else []
        return cls(
            status,
            str(problem.get("code") or f"http_{status}"),
            title=str(problem.get("title") or "error"),
            detail=str(problem.get("detail") or ""),
            errors=[fault for fault in faults if isinstance(fault, dict)],
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
            "errors": [dict(fault) for fault in self.errors],
        }


def describe_problem(problem: Mapping[str, Any]) -> str:
    """Return a problem object as lines for people: what happened, then each fault that it does
    not name yet.
    """
    reason = problem.get("detail") or problem.get("title") or "no reason was given"
    code = problem.get("code")
    described = [_describe_fault(fault) for fault in problem.get("errors") or ()]
    faults = [fault for fault in described if fault.strip() not in str(reason)]
    return "\n".join([f"{reason} ({code})" if code else str(reason), *faults])


def _describe_fault(fault: Mapping[str, Any]) -> str:
    place = f"{fault['pointer']}: " if fault.get("pointer") else ""
    return f"  {place}{fault.get('message') or fault.get('code') or ''}"
