"""How often a provider is asked about a paid operation, and how long a doubt takes to settle."""

from dataclasses import dataclass
from datetime import timedelta

from service.errors import Invalid
from service.settings import Settings

_CALL_SECONDS = 30.0
_SETTLE_AT_GOOGLE = 40.0  # the timeout of a call, and what goes before it


GIVE_UP = timedelta(hours=24)  # after the deadline, where the provider never answers


@dataclass(frozen=True, slots=True)
class OperationPace:
    """Between two polls pass `poll_seconds` at least and `longest_seconds` at most; after
    `settle_seconds` a request that was sent is either listed by the provider or will never be.
    """

    poll_seconds: float
    settle_seconds: float
    longest_seconds: float = 300.0

    @property
    def submit_seconds(self) -> float:
        """How long a request that pays may go without an answer: no longer than it settles."""
        return min(_CALL_SECONDS, self.settle_seconds * 2 / 3)

    @property
    def settle(self) -> timedelta:
        return timedelta(seconds=self.settle_seconds)


def operation_pace(settings: Settings) -> OperationPace:
    """Return the pace that is set; raises Invalid where a request to Google outlasts settling.

    An emulator is near: requests to it are given up sooner where less time is set.
    """
    if settings.settle_seconds < _SETTLE_AT_GOOGLE and not settings.emulated:
        message = (
            f"TUNECURVE_SETTLE_SECONDS is to be at least {_SETTLE_AT_GOOGLE:g}: a request to "
            "Google may take 30 seconds, and one that is sent again too soon may be paid for twice"
        )
        raise Invalid(message, code="invalid_setting")
    return OperationPace(
        settings.poll_seconds, settings.settle_seconds, settings.longest_poll_seconds
    )
