"""Errors in the shapes Google's services answer with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STATUS_NAMES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of a request, named by its snake_case path."""

    field: str
    description: str


class GoogleError(Exception):
    """An answer other than success; `body` is what the client reads."""

    def __init__(
        self,
        http_code: int,
        message: str,
        *,
        status: str = "",
        violations: Sequence[Violation] = (),
    ) -> None:
        super().__init__(message)
        self.http_code = http_code
        self.message = message
        self.status = status or STATUS_NAMES[http_code]
        self.violations = tuple(violations)

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {
            "code": self.http_code,
            "message": self.message,
            "status": self.status,
        }
        if self.violations:
            error["details"] = [_bad_request(self.violations)]
        return {"error": error}


class StorageError(GoogleError):
    """The older shape Cloud Storage uses: an `errors` list with a reason."""

    def __init__(self, http_code: int, message: str, *, reason: str) -> None:
        super().__init__(http_code, message, status=reason)
        self.reason = reason

    def body(self) -> dict[str, Any]:
        error = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.http_code, "message": self.message, "errors": [error]}}


def _bad_request(violations: Sequence[Violation]) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [
            {"field": violation.field, "description": violation.description}
            for violation in violations
        ],
    }
