"""A job whose paid operation is at a ledger, and the workers and sweeps that see it through."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event

from sqlalchemy import Engine

from service.clock import utc_now
from service.database import Session, Sessions
from service.errors import TunecurveError
from service.ids import Prefix, new_id
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.jobs.paid_operations.operations import advance
from service.jobs.paid_operations.pace import OperationPace
from service.jobs.paid_operations.polls import PolledTable
from service.jobs.paid_operations.states import FINAL_STATES, OperationState
from service.jobs.paid_operations.sweep import has_due_operations, poll_operations
from service.jobs.ports import JobCancelled, LeaseLost, Waiting
from service.tuning.models import TuningRun
from tests.support.operation_ledger import INPUT, Ledger, LedgerOperation, OwnedRun, Steps

PACE = OperationPace(poll_seconds=30, settle_seconds=45)
MANY = 60


def _moments(time: timedelta) -> int:
    """Return a time in units of ten seconds: how busy this machine is makes no difference."""
    return round(time / timedelta(seconds=10))


def _job(job_id: str, project_id: str) -> Job:
    now = utc_now()
    return Job(
        id=job_id,
        project_id=project_id,
        kind="tune",
        state=State.RUNNING,
        spec={},
        outputs={},
        labels={},
        progress={},
        cost={},
        attempt=1,
        version=1,
        created_at=now,
        updated_at=now,
    )


class LateSessions(Sessions):
    """Sessions of a database whose clock a test moves on."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._ahead = timedelta()

    def pass_time(self, *, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with super().transaction() as session:
            session.info["now"] = utc_now() + self._ahead
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with super().reading() as session:
            session.info["now"] = utc_now() + self._ahead
            yield session


class FrozenWorker:
    """A worker in a thread that stands still until it is woken; only one of two ever moves."""

    def __init__(self, work: Callable[[Callable[[], None]], None]) -> None:
        self._still, self._woken = Event(), Event()
        self._threads = ThreadPoolExecutor(1)
        self._done = self._threads.submit(work, self._stand_still)
        self._done.add_done_callback(lambda _: self._still.set())
        self._still.wait()

    def _stand_still(self) -> None:
        self._still.set()
        self._woken.wait()

    def wake(self) -> None:
        """Let it continue until it has ended; raises what it raised."""
        self._woken.set()
        self._done.result()
        self._threads.shutdown()


@dataclass
class WatchedSteps(Steps):
    """Looks before each step at what a successor would find if this worker died there."""

    look: Callable[[], str] = str
    situations: list[str] = field(default_factory=list)

    def take(self) -> None:
        self.situations.append(self.look())
        super().take()


@dataclass
class World:
    """A job whose operation is at a ledger, and the workers that take it further."""

    sessions: LateSessions
    project_id: str
    ledger: Ledger
    cancelled: bool = False
    most_open: int | None = None
    end: OperationState | None = None
    owner: list[object] = field(default_factory=list)
    job_id: str = field(default_factory=lambda: new_id(Prefix.JOB))

    def __post_init__(self) -> None:
        with self.sessions.transaction() as session:
            session.add(_job(self.job_id, self.project_id))

    def step(self, steps: Steps) -> Waiting | TuningRun:
        """Claim the job as a worker does and take its operation one step further."""
        run = OwnedRun(
            self.job_id, self.project_id, {}, {}, self.sessions,
            cancelling=self.cancelled, steps=steps, owner=self.owner,
        )  # fmt: skip
        self.owner.append(run)
        operation = LedgerOperation(self.ledger, steps, self.project_id, most_open=self.most_open)
        return advance(run, operation, table=TuningRun, pace=PACE, sessions=self.sessions)

    def work(self, steps: Steps) -> None:
        """Claim it again and again until it has ended, or this worker is killed or overtaken."""
        for _ in range(MANY):
            try:
                result = self.step(steps)
            except LeaseLost:
                return
            except JobCancelled:
                self.end = OperationState.CANCELLED
                return
            except TunecurveError:
                self.end = OperationState.FAILED
                return
            if isinstance(result, TuningRun):
                self.end = OperationState(result.state)
                return
            self.wait()
        message = "the operation has not ended"
        raise AssertionError(message)

    def wait(self) -> None:
        """Let what is waited for come: time, and a sweep."""
        self.sessions.pass_time(seconds=100)
        self.sweep()

    def sweep(self) -> None:
        ledger = self.ledger
        table = PolledTable(
            TuningRun,
            place=lambda _row: "ledger",
            poll=lambda row: ledger.poll(row.resource_name or ""),
            cancel=lambda row: ledger.cancel(row.resource_name or ""),
            find=lambda row: ledger.find(row.id),
            drop=lambda _row, name: ledger.cancel(name),
            staged=LedgerOperation(ledger, Steps(), self.project_id).staged,
        )
        if has_due_operations([table], sessions=self.sessions):  # as the ticker asks first
            poll_operations([table], sessions=self.sessions, pace=PACE)

    def be_overtaken(self, *, cancelled: bool) -> None:
        """Let another worker take the job over and end it."""
        self.cancelled = cancelled
        self.sessions.pass_time(seconds=100)
        self.work(Steps())

    def freeze(self, at: int) -> FrozenWorker:
        """Return a worker that stands still at a step, unless it has ended before."""
        return FrozenWorker(lambda stand_still: self.work(Steps(at, stand_still)))

    def finish(self) -> None:
        """Let other workers end it, and the sweep look for strays."""
        if self.end is None:
            self.sessions.pass_time(seconds=100)
            self.work(Steps())
        self.sessions.pass_time(seconds=100)
        self.wait()

    def row(self) -> TuningRun | None:
        with self.sessions.reading() as session:
            return session.query(TuningRun).filter_by(job_id=self.job_id).one_or_none()

    def situation(self) -> str:
        """Return all that a successor of its worker would find; ids are numbered."""
        row, now, ledger = self.row(), self.sessions.now(), self.ledger
        found = (
            [] if row is None else [getattr(row, column.name) for column in row.__table__.columns]
        )
        values = [_moments(each - now) if isinstance(each, datetime) else each for each in found]
        ids: dict[str, str] = {}
        return re.sub(
            rf"{self.job_id}|{row and row.id}|[0-9a-f]{{16}}",
            lambda drawn: ids.setdefault(drawn[0], f"id {len(ids)}"),
            f"{values} {ledger} {ledger.has_lagged}",
        )

    def forget(self) -> None:
        with self.sessions.transaction() as session:
            session.query(TuningRun).filter_by(job_id=self.job_id).delete()

    def require_one(self, what: str) -> None:
        """Raise unless it was paid for once at most, has ended as its job, and left nothing."""
        entries = self.ledger.entries
        states = [entry.state for entry in entries]
        void = [entry for entry in entries if entry.unread_input and not entry.is_open]
        kept = [
            entry
            for entry in entries
            if entry.state is not OperationState.CANCELLED and entry not in void
        ]
        row, situation = self.row(), f"{what}: {self.end}, {states}"
        assert self.end in FINAL_STATES, situation
        assert len(kept) == (self.end is OperationState.SUCCEEDED), situation
        assert sum(entry.has_read for entry in entries) <= 1 or self.ledger.has_lagged, situation
        assert list(self.ledger.objects) == [INPUT], f"{what}: copies are left"
        if self.end is OperationState.SUCCEEDED:
            assert row is not None, situation
            owned = [each for each in self.ledger.entries if each.name == row.resource_name]
            assert [each.state for each in owned] == [OperationState.SUCCEEDED], situation
        self.forget()
