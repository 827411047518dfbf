"""Classification of failed calls: whether to retry, when, and what the error may contain."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from service.clock import utc_now
from service.errors import NotFound, ProviderRefused, RateLimited, TunecurveError, Unavailable
from service.http_statuses import FIRST_ERROR, PASSING_STATUSES, SERVER_ERROR, may_pass
from service.text import shorten, storable_text

MESSAGE_CHARACTERS = 200
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 20.0
PARKING_SECONDS = 3600.0  # after a used-up day, try again every hour
SHORTEST_PARKING_SECONDS = 300.0  # hints of seconds come with daily quotas too

_UNAUTHORISED = frozenset({401, 403})
# A payment, a proxy's password, a method that a proxy forbids, a model that is retired, a server
# that has no such method or speaks no such HTTP.
_OF_EVERY_CALL = _UNAUTHORISED | {402, 404, 405, 407, 410, 501, 505}
_NOT_FOUND = 404
_TOO_MANY = 429
_ECHO_CHARACTERS = 16
_SHORTEST_ECHO = 4

# A key that is not valid and a region that is not served are 400, yet meet every row.
_REASONS_OF_EVERY_CALL = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})
_STATES_OF_EVERY_CALL = frozenset({"FAILED_PRECONDITION", "UNAUTHENTICATED", "PERMISSION_DENIED"})

_PER_DAY = re.compile(r"per[-_ ]?day", re.IGNORECASE)
# Google's parser repeats the offending value in double quotes; the value may be a prompt.
_QUOTED = re.compile(r'"[^"]*(?:"|$)')


class Refusal(StrEnum):
    """Why there is no answer, named by what helps."""

    RATE = "rate"  # too fast: slow the pace
    DAILY = "daily"  # the day's quota is used up: park the job
    TRANSIENT = "transient"  # a passing failure: try again shortly
    PERMANENT = "permanent"  # the same call would fail again


class CallFailed(Exception):  # noqa: N818  an outcome that the caller expects, not a bug
    """One call without an answer. `status` is 0 when no HTTP answer came at all.

    `message` is short and holds nothing of the prompt. `meets_every_call` says that the
    cause lies outside the request: every other call would fail the same way. `reached` is
    False when the connection failed, so that nothing is known about the request; `sent` is False
    when there was none, so that the request was not read.
    """

    def __init__(
        self,
        kind: Refusal,
        message: str,
        *,
        status: int = 0,
        retry_after_seconds: float | None = None,
        meets_every_call: bool = False,
        reached: bool = True,
        sent: bool = True,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.meets_every_call = meets_every_call
        self.reached = reached
        self.sent = sent

    @property
    def may_be_billed(self) -> bool:
        """Whether it was sent and its end is unknown; an error that is answered costs nothing."""
        return self.sent and self.status == 0

    @property
    def may_pass(self) -> bool:
        """Whether the refusal is one of authority, of what is not found (yet), a detour, or a
        server's that lacks what others have.
        """
        if self.status in _UNAUTHORISED or self.status == _NOT_FOUND:
            return True
        return 0 < self.status < FIRST_ERROR or self.status >= SERVER_ERROR


class QuotaExhausted(RateLimited):
    """The provider's quota of the day is used up; worth trying again in `resume_seconds`."""

    default_code = "provider_quota_exhausted"

    def __init__(self, message: str, *, resume_seconds: float) -> None:
        super().__init__(message, retry_seconds=math.ceil(resume_seconds))
        self.resume_seconds = resume_seconds


def classify(status: int, body: bytes, headers: Mapping[str, str]) -> CallFailed:
    """Return what an HTTP answer other than 200 means; `body` need not be JSON."""
    error = _error_of(body)
    details = [detail for detail in _listed(error.get("details")) if isinstance(detail, dict)]
    return CallFailed(
        _kind(status, error, details),
        _message(status, error),
        status=status,
        retry_after_seconds=_retry_after(details, headers),
        meets_every_call=_meets_every_call(status, error, details),
    )


def without_echo(failure: CallFailed, texts: Sequence[str]) -> CallFailed:
    """Return the failure, its message reduced to the status where it repeats one of `texts`."""
    if not any(_echoes(failure.message, text) for text in texts):
        return failure
    return CallFailed(
        failure.kind,
        f"{failure.status} (the provider's message repeats the prompt and is left out)",
        status=failure.status,
        retry_after_seconds=failure.retry_after_seconds,
        meets_every_call=failure.meets_every_call,
    )


def next_delay(attempt: int, *, random: Callable[[], float]) -> float:
    """Return the seconds to wait after the `attempt`-th try (1, 2, ...) has failed.

    Doubling from 0.5 s to 20 s, of which the upper half is drawn: `random` returns [0, 1).
    """
    ceiling = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** (attempt - 1))
    return ceiling * (0.5 + 0.5 * random())


def error_of_run(failure: CallFailed) -> TunecurveError:
    """Return the error that ends a run whose every call would fail like this one."""
    message = f"the provider refuses every call: {failure.message}"
    if failure.status == _NOT_FOUND:
        return NotFound(message, code="provider_not_found")
    if failure.kind is Refusal.PERMANENT:
        return ProviderRefused(message)
    return Unavailable(message, code="provider_unavailable")


def exhausted(failure: CallFailed) -> QuotaExhausted:
    """Return the error that parks a run: as long as the provider says (5 min or more), or 1 h."""
    parking = max(SHORTEST_PARKING_SECONDS, failure.retry_after_seconds or PARKING_SECONDS)
    return QuotaExhausted(
        f"the provider's quota is used up: {failure.message}",
        resume_seconds=parking,
    )


def _error_of(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(parsed, list) and parsed:  # streams wrap the error in a list of one
        parsed = parsed[0]
    error = parsed.get("error") if isinstance(parsed, dict) else None
    return error if isinstance(error, dict) else {}


def _kind(status: int, error: Mapping[str, Any], details: Sequence[dict[str, Any]]) -> Refusal:
    if status == _TOO_MANY:
        return Refusal.DAILY if _is_used_up(error, details) else Refusal.RATE
    return Refusal.TRANSIENT if may_pass(status) else Refusal.PERMANENT


def _is_used_up(error: Mapping[str, Any], details: Sequence[dict[str, Any]]) -> bool:
    """A quota of the day, or a quota of nothing: waiting a minute helps neither."""
    violations = [entry for detail in details for entry in _listed(detail.get("violations"))]
    metadata = [detail.get("metadata") for detail in details]
    sources = [entry for entry in (*violations, *metadata) if isinstance(entry, dict)]
    limits = ("quotaValue", "quota_limit_value")
    if any(str(entry.get(limit)) == "0" for entry in sources for limit in limits):
        return True
    names = ("quotaId", "quotaMetric", "quota_limit", "quota_metric")
    words = [str(error.get("message", ""))]
    words += [str(entry.get(name, "")) for entry in sources for name in names]
    return any(_PER_DAY.search(word) for word in words)


def _meets_every_call(
    status: int, error: Mapping[str, Any], details: Sequence[dict[str, Any]]
) -> bool:
    if status in _OF_EVERY_CALL or status < FIRST_ERROR:
        return True
    if status in PASSING_STATUSES or status >= _TOO_MANY:
        return False
    reasons = {str(detail.get("reason")) for detail in details}
    state = str(error.get("status"))
    return state in _STATES_OF_EVERY_CALL or bool(reasons & _REASONS_OF_EVERY_CALL)


def _message(status: int, error: Mapping[str, Any]) -> str:
    words = " ".join(_QUOTED.sub("…", str(error.get("message", ""))).split())
    name = " ".join(part for part in (str(status), str(error.get("status", ""))) if part)
    return storable_text(shorten(f"{name}: {words}", MESSAGE_CHARACTERS) if words else name)


def _retry_after(details: Sequence[dict[str, Any]], headers: Mapping[str, str]) -> float | None:
    delays = (str(detail["retryDelay"]) for detail in details if "retryDelay" in detail)
    found = [*delays, headers.get("Retry-After", "")]
    numbers = (re.fullmatch(r"(\d{1,9}(?:\.\d+)?)s?", text.strip()) for text in found)
    seconds = next((float(number[1]) for number in numbers if number), None)
    return _seconds_until(headers) if seconds is None else seconds


def _seconds_until(headers: Mapping[str, str]) -> float | None:
    """Return the pause of a `Retry-After` that is a date (RFC 9110), by the server's own clock."""
    try:
        until = parsedate_to_datetime(headers.get("Retry-After", ""))
        now = parsedate_to_datetime(headers["Date"]) if "Date" in headers else utc_now()
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _echoes(message: str, text: str) -> bool:
    if len(text) < _ECHO_CHARACTERS:
        return len(text) >= _SHORTEST_ECHO and text in message
    last = len(message) - _ECHO_CHARACTERS
    return any(message[at : at + _ECHO_CHARACTERS] in text for at in range(last + 1))
