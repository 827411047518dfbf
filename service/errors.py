"""The errors a caller can meet: kinds say what to do about them, codes say what happened.

TunecurveError
├── Invalid           422  mend the request or the data
├── Unauthenticated   401  send a key that is known and has not expired
├── Forbidden         403  use a key with the scope
│   └── ProviderRefused    give the service account its role
├── NotFound          404  check the id
├── Conflict          409  the state does not allow it now
├── PreconditionFailed 412 read the newest version first
├── RateLimited       429  come back later
├── Unavailable       503  something outside is away; try again
├── ProviderFailed    502  the provider ended the work; its words say why
├── JobFailed         500  a job ended; the error that it ended with says why
└── Internal          500  ours: report it
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from service.text import storable_text

# What a client of a service outside raises over an answer that it cannot read, such as a proxy's.
UNREADABLE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the input: `pointer` is a JSON pointer, or `row 17` for data."""

    pointer: str
    code: str
    message: str


class TunecurveError(Exception):
    """`code` is public and stable; the message is a fact with the fix and never holds user data."""

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal"
    title: str = "Internal error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str = "", faults: Sequence[Fault] = ()) -> None:
        # A provider's words may hold what no store takes, and every error is stored somewhere.
        message = storable_text(message)
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.faults = tuple(faults)


class Invalid(TunecurveError):
    status = 422
    default_code = "validation_failed"
    title = "The request or its data is not valid"


class Unauthenticated(TunecurveError):
    status = 401
    default_code = "unauthenticated"
    title = "No valid key"


class Forbidden(TunecurveError):
    status = 403
    default_code = "insufficient_scope"
    title = "The key may not do this"


class ProviderRefused(Forbidden):
    """A service outside refuses us: its roles, not our keys, are to be looked at."""

    default_code = "provider_forbidden"
    title = "The provider refuses"


class NotFound(TunecurveError):
    status = 404
    default_code = "not_found"
    title = "Not found"


class Conflict(TunecurveError):
    status = 409
    default_code = "conflict"
    title = "The state does not allow it"


class PreconditionFailed(TunecurveError):
    status = 412
    default_code = "precondition_failed"
    title = "The object has changed"


class RateLimited(TunecurveError):
    status = 429
    default_code = "rate_limited"
    title = "Too many requests"
    retryable = True

    def __init__(self, message: str, *, code: str = "", retry_seconds: int = 5) -> None:
        super().__init__(message, code=code)
        self.retry_seconds = retry_seconds


class Unavailable(TunecurveError):
    status = 503
    default_code = "unavailable"
    title = "Something outside is away"
    retryable = True


class DatabaseUnavailable(Unavailable):
    """Our own database is away, full or busy, which says nothing of the work that met it."""

    default_code = "database_unavailable"


class ProviderFailed(TunecurveError):
    status = 502
    default_code = "provider_failed"
    title = "The provider ended the work"


class JobFailed(TunecurveError):
    """What another job has ended with, under the title that it had there."""

    title = "The job failed"

    def __init__(
        self, message: str, *, code: str, title: str, faults: Sequence[Fault] = ()
    ) -> None:
        super().__init__(message, code=code, faults=faults)
        self.title = title


class Internal(TunecurveError):
    """Ours. The message is shown to the caller, so it names no internals."""
