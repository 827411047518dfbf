"""A provider of paid operations in this process: it keeps a ledger, and answers as it is told to.

A second real implementation of the `PaidOperation` port. Its worker can be killed, or stand still,
at every step; `Steps` counts them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from service.database import Session, Sessions
from service.errors import Invalid, NotFound, RateLimited, Unavailable
from service.ids import Prefix, new_id
from service.jobs.paid_operations.states import FoundOperation, OperationState, OperationStatus
from service.jobs.ports import LeaseLost
from service.tuning.models import TuningRun
from tests.support.runs import MemoryRun

ANSWERS = (
    "accepted",
    "answer lost",
    "request lost",
    "409 made",
    "499 made",
    "404 made",
    "404",
    "429",
    "503",
    "refused",
)
LISTS = ("complete", "late", "away", "cut")


class KilledError(BaseException):
    """The worker's process is gone."""


@dataclass
class Steps:
    """Where a worker is: at step `fatal` it is killed, or runs `meanwhile` and continues."""

    fatal: int = -1
    meanwhile: Callable[[], None] | None = None
    taken: int = 0

    def take(self, *, in_transaction: bool = False) -> None:
        self.taken += 1
        if self.taken - 1 != self.fatal:
            return
        if self.meanwhile is None:
            raise KilledError
        if not in_transaction:  # a process that stands still in one is ended by the database
            self.meanwhile()


@dataclass
class Entry:
    name: str
    label: str
    state: OperationState = OperationState.ACCEPTED

    @property
    def is_open(self) -> bool:
        return self.state is OperationState.ACCEPTED


@dataclass
class Ledger:
    """What the provider has made; the first request and the first look are answered as told."""

    answer: str = "accepted"
    listing: str = "complete"
    entries: list[Entry] = field(default_factory=list)

    def create(self, label: str) -> str:
        answer, self.answer = self.answer, "accepted"
        if answer in {"accepted", "answer lost", "409 made", "499 made", "404 made"}:
            name = f"projects/1/locations/here/jobs/{len(self.entries)}"
            self.entries.append(Entry(name, label))
            if answer == "accepted":
                return name
        match answer:
            case "404" | "404 made":
                raise NotFound("nothing here", code="provider_not_found")
            case "429":
                raise RateLimited("too many", code="provider_quota")
            case "refused":
                raise Invalid("not like this", code="provider_refused")
            case _:
                raise Unavailable("no answer", code="provider_unavailable")

    def find(self, label: str) -> Sequence[FoundOperation]:
        listing, self.listing = self.listing, "complete"
        if listing in {"away", "cut"}:
            raise Unavailable("no list", code="provider_list_incomplete")
        shown = [] if listing == "late" else self.entries
        return [FoundOperation(each.name, each.is_open) for each in shown if each.label == label]

    def cancel(self, name: str) -> None:
        entry = self._entry(name)
        if entry.is_open:
            entry.state = OperationState.CANCELLED

    def poll(self, name: str) -> OperationStatus:
        entry = self._entry(name)
        if entry.is_open:
            entry.state = OperationState.SUCCEEDED
        return OperationStatus(entry.state, entry.state.value)

    def _entry(self, name: str) -> Entry:
        return next(each for each in self.entries if each.name == name)


@dataclass
class LedgerOperation:
    """One operation of a job, with a step before and after all that it does."""

    ledger: Ledger
    steps: Steps
    project_id: str
    deadline: timedelta | None = timedelta(hours=1)
    most_open: int | None = None

    def connect(self) -> None:
        self.steps.take()

    def prepare(self) -> TuningRun:
        self.steps.take()
        return TuningRun(
            id=new_id(Prefix.TUNING_RUN), project_id=self.project_id, provider="ledger", line="l"
        )

    def submit(self, row: TuningRun) -> str:
        self.steps.take()
        name = self.ledger.create(row.id)
        self.steps.take()
        return name

    def find(self, row: TuningRun) -> Sequence[FoundOperation]:
        self.steps.take()
        found = self.ledger.find(row.id)
        self.steps.take()
        return found

    def cancel(self, resource_name: str) -> None:
        self.steps.take()
        self.ledger.cancel(resource_name)

    def release(self, session: Session, row: TuningRun) -> None:
        """Nothing is held."""


@dataclass
class OwnedRun(MemoryRun):
    """A run that may write as long as `owner` is itself, with steps around its transactions."""

    steps: Steps = field(default_factory=Steps)
    owner: list[object] = field(default_factory=list)

    @contextmanager
    def fenced(self) -> Iterator[Session]:
        self.steps.take()
        with self.sessions.transaction() as session:
            if self.owner[-1] is not self:
                raise LeaseLost
            yield session
            self.steps.take(in_transaction=True)
        self.steps.take()


def set_back(sessions: Sessions, *, seconds: float) -> None:
    """Let time pass for every record: what was intended was intended so much earlier."""
    with sessions.transaction() as session:
        for row in session.query(TuningRun):
            row.intended_at -= timedelta(seconds=seconds)
            if row.next_poll_at:
                row.next_poll_at -= timedelta(seconds=seconds)
            if row.reconcile_at:
                row.reconcile_at -= timedelta(seconds=seconds)
