"""What jobs ask of the rooms above: how a kind is described, reserved and run."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel

from service.database import Session, Sessions
from service.errors import TunecurveError
from service.ids import Prefix
from service.jobs.lifecycle import Reason
from service.task_queue import Queue, TaskQueue


class JobCancelled(Exception):  # noqa: N818  a signal, not an error
    """The job was asked to cancel; the operation stops where it is."""


class LeaseLost(Exception):  # noqa: N818  a signal, not an error
    """Another worker has taken the job over; nothing more may be written."""


class Preempted(Exception):  # noqa: N818  a signal, not an error
    """The job is requeued: its slot goes to another job, or its worker shuts down."""


class InputNotReady(Exception):  # noqa: N818  a signal, not an error
    """An input is still being made by another job."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"waits for {job_id}")
        self.job_id = job_id


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an operation returns to park its job.

    It wakes after `seconds`, or when the job `waits_for` ends, or when its last child ends
    (reason `children`), whichever is set; the job of a paid operation is woken by the sweep
    that polls it. Where it is to be tried again (reason `retry`), `error` says why.
    """

    reason: Reason
    seconds: float | None = None
    waits_for: str | None = None
    error: TunecurveError | None = field(default=None, compare=False)


class JobRun(Protocol):
    """A claimed job, as its operation sees it. Running twice must equal running once."""

    @property
    def id(self) -> str: ...

    @property
    def project_id(self) -> str: ...

    @property
    def root_id(self) -> str:
        """The job that a user submitted: itself, its parent, or its parent's parent."""
        ...

    @property
    def spec(self) -> Mapping[str, Any]: ...

    @property
    def outputs(self) -> Mapping[str, str]: ...

    @property
    def labels(self) -> Mapping[str, str]: ...

    @property
    def cancelling(self) -> bool:
        """True once the job was asked to cancel."""
        ...

    def check(self) -> None:
        """Raise JobCancelled or LeaseLost; cheap, call it between steps."""
        ...

    def check_preemption(self) -> None:
        """Raise Preempted when the worker shuts down or a job that goes first waits for the slot.

        Cheap; an operation asks where a later run loses nothing.
        """
        ...

    def report(self, done: int, total: int | None, *, unit: str, stage: str = "") -> None:
        """Show progress; written at most once a second."""
        ...

    def warn(self, why: str | None) -> None:
        """Say what holds the running job up, as its reason and in an event; None: nothing more."""
        ...

    def conclude(self, session: Session, result: Mapping[str, Any]) -> None:
        """Keep in short what the job found out, in a fenced transaction: numbers and sentences,
        never rows. It is shown with the job and sent with its last event.
        """
        ...

    def fenced(self) -> AbstractContextManager[Session]:
        """A transaction that commits only while this run still holds the job's lease."""
        ...


@dataclass(frozen=True, slots=True)
class Submission:
    """A job about to be written: ids are reserved, defaults are filled in.

    `total` is how many items it has to do, where that is known; `sends_message` says that its
    task message follows the commit, so that no sweep need send it.
    """

    id: str
    project_id: str
    kind: str
    spec: BaseModel
    outputs: Mapping[str, str]
    parent_id: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None
    budget_nano: int | None = None
    priority: int = 0
    total: int | None = None
    sends_message: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job will use with all its children; None where it is not known yet.

    The cost lies between `low_nano` and `high_nano`, where those are known; `known_nano` is the
    part of it that is known, and `ahead_nano` what will be held of a budget for tunings before
    they are sent. `unpriced` names base models that no price is known for; `notes` are a code and
    a sentence each, on how the estimate came about. `hours` are the least and the most that the
    work at the provider is likely to take; `parts` are the estimates of children, by their labels.
    """

    requests: int | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    training_tokens: int | None = None
    cost_nano: int | None = None
    low_nano: int | None = None
    high_nano: int | None = None
    known_nano: int = 0
    ahead_nano: int = 0
    unpriced: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    hours: tuple[float, float] | None = None
    parts: tuple[tuple[str, "Estimate"], ...] = ()


FREE = Estimate(
    requests=0,
    prompt_tokens=0,
    output_tokens=0,
    training_tokens=0,
    cost_nano=0,
    low_nano=0,
    high_nano=0,
)  # of kinds that call no model


@dataclass(frozen=True, slots=True)
class Placement:
    """Who works on a job: the workers of a queue; `synthetic` if an emulator answers them."""

    queue: Queue
    synthetic: bool = False


def reserve_nothing(_session: Session, _submission: Submission) -> None:
    """Reserve no output: that of a shard is its parent's, that of a retry is there already."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of job: its spec, its output, its queue and its task.

    `reserve(session, submission)` checks that the inputs exist (raises Invalid or NotFound with
    a pointer into the spec) and writes the output's row, in the transaction of the submission.
    Jobs of a `preemptible` kind give their slot to jobs of their queue that go first.
    A kind that `cleans_up_on_cancel` is run once more when cancelled, to stop what it began
    elsewhere. Jobs of a kind that `is_shard` are written by their parent alone: they emit no
    events, and their progress adds up to their parent's.
    `estimate(session, submission)` says what the job will cost; without one it costs nothing.
    `place(session, submission)` says who works on a job where that depends on its spec.
    """

    name: str
    spec: type[BaseModel]
    output: str
    prefix: Prefix
    queue: Queue
    task: str
    reserve: Callable[[Session, Submission], None]
    cleans_up_on_cancel: bool = False
    estimate: Callable[[Session, Submission], Estimate] | None = None
    is_shard: bool = False
    preemptible: bool = False
    place: Callable[[Session, Submission], Placement] | None = None

    def placement(self, session: Session, submission: Submission) -> Placement:
        """Return where a job goes that is about to be written."""
        if self.place is not None:
            return self.place(session, submission)
        return Placement(self.queue)


JobKinds = Mapping[str, JobKind]


@dataclass(frozen=True, slots=True)
class JobServices:
    """What is needed to write jobs and to send their task messages."""

    kinds: JobKinds
    sessions: Sessions
    task_queue: TaskQueue


class JobRecord(Protocol):
    """A job's row as other rooms see it; only this room writes it. Fields: `models.Job`."""

    id: str
    project_id: str
    parent_id: str | None
    kind: str
    queue: str
    priority: int
    state: str
    reason: str | None
    spec: dict[str, Any]
    outputs: dict[str, str]
    result: dict[str, Any] | None
    labels: dict[str, str]
    progress: dict[str, Any]
    cost: dict[str, Any]
    error: dict[str, Any] | None
    attempt: int
    attempts_without_progress: int
    version: int
    next_run_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    finished_at: datetime | None
