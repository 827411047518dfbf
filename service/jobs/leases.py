"""A claimed job while its worker runs it: the lease renewed, a cancel seen, writes fenced."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Self

import structlog

from service.database import Session, Sessions, database_now
from service.jobs import repository
from service.jobs.events import emit_event, emit_shard_progress
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.jobs.ports import JobCancelled, LeaseLost, Preempted
from service.jobs.preemption import should_preempt
from service.webhooks.event_log import record_event
from service.webhooks.events import EventType

log = structlog.get_logger()

_PROGRESS_SECONDS = 1.0
_LOOK_SECONDS = 0.2  # a cancel is seen within it, however long the lease is
_RIVALS_SECONDS = 0.4  # a longer query than the look for a cancel


def _never() -> bool:
    return False


class LeasedRun:
    """The JobRun of a worker. A thread renews the lease at a third of its length.

    Renewing also reads whether the job was asked to cancel, and whether a job of the `rivals`,
    the kinds that share its slots, should take this one: so `check` and `check_preemption` cost
    nothing. `shutting_down` says that the worker shuts down.
    """

    def __init__(
        self,
        job: Job,
        token: str,
        *,
        sessions: Sessions,
        lease_seconds: float,
        rivals: Sequence[str] = (),
        shutting_down: Callable[[], bool] = _never,
    ) -> None:
        self._job, self.token = job, token
        self._sessions, self._lease_seconds = sessions, lease_seconds
        self._rivals, self._shutting_down = rivals, shutting_down
        self._cancelling = job.state == State.CANCELLING
        self._acknowledged = self._cancelling
        self._lost = self._outranked = False
        self._began_at, self._reported_at = time.monotonic(), 0.0
        self._compared_at = self._began_at
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, name=f"lease-{job.id}", daemon=True)

    @property
    def id(self) -> str:
        return self._job.id

    @property
    def project_id(self) -> str:
        return self._job.project_id

    @property
    def root_id(self) -> str:
        return self._job.root_id

    @property
    def spec(self) -> Mapping[str, Any]:
        return self._job.spec

    @property
    def outputs(self) -> Mapping[str, str]:
        return self._job.outputs

    @property
    def labels(self) -> Mapping[str, str]:
        return self._job.labels

    @property
    def cancelling(self) -> bool:
        return self._cancelling

    def acknowledge_cancel(self) -> None:
        """From now on `check` does not raise for the cancel: the run cleans up."""
        self._acknowledged = True

    def check(self) -> None:
        if self._lost:
            raise LeaseLost
        if self._cancelling and not self._acknowledged:
            raise JobCancelled

    def check_preemption(self) -> None:
        if self._outranked or self._shutting_down():
            raise Preempted

    def report(self, done: int, total: int | None, *, unit: str, stage: str = "") -> None:
        if time.monotonic() - self._reported_at < _PROGRESS_SECONDS and done != total:
            return
        self._reported_at = time.monotonic()
        if self._job.is_shard:  # what an earlier run had done is found again bit by bit
            done = max(done, int(self._job.progress.get("done") or 0))
        progress = {"done": done, "total": total, "unit": unit, "stage": stage or None}
        with self._sessions.transaction() as session:
            if repository.write_progress(
                session, self.id, self.token, progress=progress, now=database_now(session)
            ):
                self._emit_progress(session, progress)

    def warn(self, why: str | None) -> None:
        """Say what holds the running job up, as its reason and in an event; None: nothing more."""
        with self.fenced() as session:
            job = repository.lock(session, self.id)
            if job is None or job.reason == why:
                return
            now = database_now(session)
            if repository.rewrite(session, job, now=now, token=self.token, reason=why) and why:
                emit_event(session, job, EventType.JOB_WARNING, why=why)

    def _emit_progress(self, session: Session, progress: Mapping[str, Any]) -> None:
        if self._job.is_shard:
            emit_shard_progress(session, self._job, now=database_now(session))
            return
        record_event(
            session,
            project_id=self.project_id,
            type=EventType.JOB_PROGRESS,
            job_id=self.id,
            data={"progress": progress},
        )

    def conclude(self, session: Session, result: Mapping[str, Any]) -> None:
        repository.write_result(session, self.id, result=result)

    @contextlib.contextmanager
    def fenced(self) -> Iterator[Session]:
        with self._sessions.transaction() as session:
            if not repository.hold(session, self.id, self.token):
                self._lost = True
                raise LeaseLost
            yield session

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._heart.join(timeout=self._lease_seconds)

    def _beat(self) -> None:
        every = self._lease_seconds / 3
        due = time.monotonic() + every
        while not self._stop.wait(min(every, _LOOK_SECONDS)):
            try:
                if time.monotonic() >= due:
                    self._renew()
                    due = time.monotonic() + every
                else:
                    self._look()
            except Exception as error:  # noqa: BLE001  the database is away: the lease may run out
                log.warning("lease_renewal_failed", job_id=self.id, error=type(error).__name__)

    def _renew(self) -> None:
        with self._sessions.transaction() as session:
            until = database_now(session) + timedelta(seconds=self._lease_seconds)
            self._note_state(repository.renew(session, self.id, self.token, until=until))

    def _look(self) -> None:
        with self._sessions.reading() as session:
            self._note_state(repository.state_of_lease(session, self.id, self.token))
            if self._rivals and time.monotonic() - self._compared_at >= _RIVALS_SECONDS:
                self._compared_at = time.monotonic()
                self._outranked = self._is_outranked(session)

    def _note_state(self, state: str | None) -> None:
        self._lost = state is None
        self._cancelling = state == State.CANCELLING

    def _is_outranked(self, session: Session) -> bool:
        running, waiting = repository.contenders(
            session, self._rivals, queue=self._job.queue, now=database_now(session)
        )
        own = next((each for each in running if each.id == self.id), None)
        if own is None or not waiting:
            return False
        ran_seconds = time.monotonic() - self._began_at
        return should_preempt(own, running=running, waiting=waiting, ran_seconds=ran_seconds)
