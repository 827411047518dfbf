"""A provider of paid operations in this process: it keeps a ledger, and answers as a test wants.

A second real implementation of the `PaidOperation` port. Its worker can be killed, or stand still,
at every step; `Steps` counts them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from service.database import Session
from service.errors import (
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    TunecurveError,
    Unavailable,
)
from service.ids import Prefix, new_id
from service.jobs.paid_operations.states import (
    PROVIDER_CONFLICT,
    FoundOperation,
    OperationState,
    OperationStatus,
)
from service.jobs.ports import LeaseLost
from service.storage.ports import ObjectStore
from service.storage.staged_inputs import StagedInputs
from service.tuning.models import TuningRun
from tests.support.memory_store import MemoryStore
from tests.support.runs import MemoryRun

# A 409, 499 or 503 is an answer that was lost, or a request: the provider's adapter says so.
ANSWERS = (
    "accepted",
    "answer lost",
    "request lost",
    "404 made",
    "404",
    "429",
    "refused",
    "refused made",
)
LIST_ERRORS: Mapping[str, type[TunecurveError]] = MappingProxyType(
    {
        "away": Unavailable,
        "missing": NotFound,
        "refused": Invalid,
        "forbidden": Forbidden,
        "limited": RateLimited,
    }
)
LISTS = ("complete", "late", "away", "missing")
INPUT = "rows.jsonl"


class KilledError(BaseException):
    """The worker's process is gone."""


@dataclass
class Steps:
    """Where a worker is: at step `fatal` it is killed, or runs `meanwhile` and continues.

    A step is before each thing that others can see; what it has done itself ends at the next step.
    """

    fatal: int = -1
    meanwhile: Callable[[], None] | None = None
    taken: int = 0

    def take(self) -> None:
        self.taken += 1
        if self.taken - 1 != self.fatal:
            return
        if self.meanwhile is None:
            raise KilledError
        self.meanwhile()


@dataclass
class Entry:
    """One operation; it is billed once it has read its input, and not before."""

    name: str
    label: str
    input: str
    state: OperationState = OperationState.ACCEPTED
    has_read: bool = False

    @property
    def is_open(self) -> bool:
        return self.state is OperationState.ACCEPTED

    @property
    def unread_input(self) -> str:
        may_read = self.is_open or self.state is OperationState.FAILED
        return self.input if may_read and not self.has_read else ""


@dataclass
class Ledger:
    """What the provider has made; the first request and the first looks are answered as told.

    An input is read when an operation is made or, if it `reads_late`, when it is first asked about.
    A request that names none that is there is refused, or makes an operation that has failed.
    """

    answer: str = "accepted"
    listing: str = "complete"
    later_listings: Sequence[str] = ()
    reads_late: bool = False
    missing: str = "refused"
    entries: list[Entry] = field(default_factory=list)
    objects: dict[str, bytes | bytearray] = field(default_factory=lambda: {INPUT: b"rows"})

    def __post_init__(self) -> None:
        self.has_lagged = self.listing == "late"

    def store(self, step: Callable[[], None]) -> ObjectStore:
        """Return the store of the inputs, for a worker that takes a step before each call."""
        return MemoryStore(self.objects, step)

    def create(self, label: str, address: str = INPUT) -> str:
        answer, self.answer = self.answer, "accepted"
        if answer in {"accepted", "answer lost", "404 made", "refused made"}:
            name = self._make(label, address)
            if answer == "accepted":
                return name
        match answer:
            case "404" | "404 made":
                raise NotFound("nothing here", code="provider_not_found")
            case "429":
                raise RateLimited("too many", code="provider_quota")
            case "conflict":
                raise Unavailable("in the way", code=PROVIDER_CONFLICT)
            case "refused" | "refused made":
                raise Invalid("not like this", code="provider_refused")
            case _:
                raise Unavailable("no answer", code="provider_unavailable")

    def _make(self, label: str, address: str) -> str:
        entry = Entry(f"projects/1/locations/here/jobs/{len(self.entries)}", label, address)
        if self.missing == "refused" and not self._holds(entry):
            raise Invalid("no such file", code="provider_refused")
        self.entries.append(entry)
        if not self.reads_late:
            self._read(entry)
        return entry.name

    def _read(self, entry: Entry) -> None:
        entry.has_read = self._holds(entry)
        if not entry.has_read:
            entry.state = OperationState.FAILED

    def _holds(self, entry: Entry) -> bool:
        return entry.input.removeprefix("memory:") in self.objects

    def find(self, label: str) -> Sequence[FoundOperation]:
        listing = self.listing
        self.listing, *later = *self.later_listings, "complete"
        self.later_listings = tuple(later)
        if listing in LIST_ERRORS:
            message = "no list"
            raise LIST_ERRORS[listing](message)
        shown = [] if listing == "late" else self.entries
        return [
            FoundOperation(each.name, each.is_open, each.unread_input)
            for each in shown
            if each.label == label
        ]

    def cancel(self, name: str) -> None:
        entry = self._entry(name)
        if entry.is_open:
            entry.state = OperationState.CANCELLED

    def poll(self, name: str) -> OperationStatus:
        entry = self._entry(name)
        if entry.is_open and not entry.has_read:
            self._read(entry)
        if entry.is_open:
            entry.state = OperationState.SUCCEEDED
        failed = entry.state is OperationState.FAILED
        return OperationStatus(entry.state, "JOB_STATE_FAILED" if failed else entry.state.value)

    def _entry(self, name: str) -> Entry:
        return next(each for each in self.entries if each.name == name)


@dataclass
class LedgerOperation:
    """One operation of a job, with a step before all that it does."""

    ledger: Ledger
    steps: Steps
    project_id: str
    deadline: timedelta | None = timedelta(hours=1)
    most_open: int | None = None

    def connect(self) -> None:
        self.steps.take()

    def prepare(self) -> TuningRun:
        self.steps.take()
        row_id = new_id(Prefix.TUNING_RUN)
        return TuningRun(
            id=row_id,
            project_id=self.project_id,
            provider="ledger",
            line="l",
            staged_in=f"staged/{row_id}",
        )

    def staged(self, row: TuningRun) -> StagedInputs:
        store = self.ledger.store(self.steps.take)
        return StagedInputs(lambda: store, row.staged_in)

    def stage(self, row: TuningRun) -> Sequence[str]:
        return self.staged(row).stage([INPUT])

    def submit(self, row: TuningRun, inputs: Sequence[str]) -> str:
        self.steps.take()
        return self.ledger.create(row.id, inputs[0])

    def find(self, row: TuningRun) -> Sequence[FoundOperation]:
        self.steps.take()
        return self.ledger.find(row.id)

    def cancel(self, resource_name: str) -> None:
        self.steps.take()
        self.ledger.cancel(resource_name)

    def release(self, session: Session, row: TuningRun) -> None:
        """Nothing is held."""


@dataclass
class OwnedRun(MemoryRun):
    """A run that may write as long as `owner` is itself, with a step before each transaction."""

    steps: Steps = field(default_factory=Steps)
    owner: list[object] = field(default_factory=list)

    @contextmanager
    def fenced(self) -> Iterator[Session]:
        self.steps.take()
        with self.sessions.transaction() as session:
            if self.owner[-1] is not self:
                raise LeaseLost
            yield session
