"""The states of a paid operation in our own words, and what its provider says of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.errors import Unavailable

# The code of a 409: what was asked for may have been made, or something is in its way.
PROVIDER_CONFLICT = "provider_conflict"

# Why an operation is not sent, or not sent again, yet.
IN_DOUBT = Unavailable(
    "an earlier request may have reached the provider: it is looked for before another is sent",
    code="operation_in_doubt",
)
NOT_SENT = Unavailable("its input could not be copied for the request", code="input_not_staged")


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

    `unread_input` is the address of its input where it is open or failed, and shows no sign of
    having read it.
    """

    resource_name: str
    is_open: bool
    unread_input: str = ""


def adopted(found: Sequence[FoundOperation]) -> str:
    """Return which of the operations with one label is ours: the oldest that is open, else the
    oldest. `found` is in the order of their creation, and not empty.
    """
    return next((each.resource_name for each in found if each.is_open), found[0].resource_name)


def strays_of(found: Iterable[FoundOperation], kept: str | None) -> list[str]:
    """Return the open operations other than the one that is kept."""
    return [
        each.resource_name
        for each in found
        if each.is_open and not (kept and same_resource(each.resource_name, kept))
    ]


def same_resource(first: str, second: str) -> bool:
    """Return whether two names are of one resource: a project goes by its id and by its number."""
    return _without_project(first) == _without_project(second)


def _without_project(name: str) -> str:
    head, _, rest = name.partition("/locations/")
    return rest or head


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
