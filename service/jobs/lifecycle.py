"""The life of a job: one table of the moves between its states. Pure."""

from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a job waits."""

    INPUT = "input"
    PROVIDER = "provider"
    QUOTA = "quota"
    RETRY = "retry"
    CHILDREN = "children"
    APPROVAL = "approval"


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
OPEN = frozenset(State) - TERMINAL

# A job follows itself when its lease has run out and another worker takes it over. A provider that
# was asked to cancel may still succeed or fail: so may a cancelling job.
_MAY_FOLLOW = MappingProxyType(
    {
        State.QUEUED: {State.RUNNING, State.CANCELLING, State.CANCELLED, State.FAILED},
        State.RUNNING: {
            State.RUNNING,
            State.WAITING,
            State.QUEUED,
            State.CANCELLING,
            State.SUCCEEDED,
            State.FAILED,
        },
        State.WAITING: {State.QUEUED, State.CANCELLING, State.CANCELLED},
        State.CANCELLING: {State.CANCELLING, State.CANCELLED, State.SUCCEEDED, State.FAILED},
    }
)


def may_follow(state: State, following: State) -> bool:
    """Return whether a job in `state` may move to `following`."""
    return following in _MAY_FOLLOW.get(state, set())
