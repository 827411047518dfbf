"""The states of a paid operation in our own words, and what a search by its label finds."""

from dataclasses import dataclass
from enum import StrEnum


class OperationState(StrEnum):
    """Our own words: each SDK has another idea of which states are final."""

    QUEUED = "queued"  # in the line of a quota: nothing was sent
    INTENDED = "intended"  # written down, perhaps sent, no answer seen yet
    ACCEPTED = "accepted"  # the provider queues or runs it
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STOPPED = "stopped"  # a batch, cancelled or out of time: what it has answered is there


FINAL_STATES = frozenset(OperationState) - {
    OperationState.QUEUED,
    OperationState.INTENDED,
    OperationState.ACCEPTED,
}


@dataclass(frozen=True, slots=True)
class FoundOperation:
    """An operation at the provider that carries our label; `is_open` while it has not ended."""

    resource_name: str
    is_open: bool
