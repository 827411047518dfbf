"""The port of what sends webhooks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SendResult:
    """The result of one attempt: a status, or an error code where there was no answer."""

    status: int | None
    error: str | None
    latency_ms: int
    retry_after: str = ""
    excerpt: str = ""

    @property
    def succeeded(self) -> bool:
        """Only 2xx is: a redirect is not followed, so it is a failure."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004  HTTP's own numbers


class Sender(Protocol):
    """Posts once and returns failures as results. May be shared by threads."""

    def send(self, url: str, body: bytes, *, headers: Mapping[str, str]) -> SendResult: ...
