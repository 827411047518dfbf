"""The states of a paid operation in our own words, and what its provider says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PROVIDER_CONFLICT = (
    "provider_conflict"  # the code of an answer of 409: made, perhaps, or in the way
)


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
    """An operation at the provider that carries our label; `is_open` while it has not ended.

    `unread_input` is the address of its input where it failed and shows no sign of having read it.
    """

    resource_name: str
    is_open: bool
    unread_input: str = ""


@dataclass(frozen=True, slots=True)
class OperationProgress:
    """How much of an operation is done, in the provider's own count."""

    done: int
    total: int
    unit: str


@dataclass(frozen=True, slots=True)
class OperationStatus:
    """An operation as its provider reports it; `result` is what is kept of one that has ended.

    `phase` is what it is at, in more detail than `provider_state`; one that `is_started` waits
    for nothing any more.
    """

    state: OperationState
    provider_state: str
    error: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    phase: str = ""
    progress: OperationProgress | None = None
    is_started: bool = False
