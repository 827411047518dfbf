"""The life of a job: one table of states, and what each move is called. Pure."""

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


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
OPEN = frozenset(State) - TERMINAL

# A provider that was asked to cancel may still succeed or fail: so may a cancelling job.
_MAY_FOLLOW = MappingProxyType(
    {
        State.QUEUED: {
            State.RUNNING,
            State.WAITING,
            State.CANCELLING,
            State.CANCELLED,
            State.FAILED,
        },
        State.RUNNING: {
            State.WAITING,
            State.QUEUED,
            State.CANCELLING,
            State.SUCCEEDED,
            State.FAILED,
        },
        State.WAITING: {
            State.QUEUED,
            State.RUNNING,
            State.CANCELLING,
            State.CANCELLED,
            State.FAILED,
        },
        State.CANCELLING: {State.CANCELLED, State.SUCCEEDED, State.FAILED},
    }
)


def may_follow(state: State, following: State) -> bool:
    """Return whether a job in `state` may move to `following`."""
    return following in _MAY_FOLLOW.get(state, set())


def event_type(state: State, *, before: State) -> str | None:
    """Return the event that a move announces; None for a move nobody waits for."""
    if state is State.QUEUED:
        return "job.resumed" if before is State.WAITING else None
    return f"job.{'started' if state is State.RUNNING else state.value}"
