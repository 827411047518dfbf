"""A claimed job in the hands of its worker: the lease renewed, the cancel seen, writes fenced."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Self

import structlog

from service.clock import utc_now
from service.database import Session, Sessions
from service.jobs import repository
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.jobs.ports import JobCancelled, LeaseLost
from service.webhooks.operations import record_event

log = structlog.get_logger()

_PROGRESS_SECONDS = 1.0


class LeasedRun:
    """The JobRun of a worker. A thread renews the lease at a third of its length.

    It also learns there that somebody has asked to cancel, so `check` costs nothing.
    """

    def __init__(self, job: Job, token: str, *, sessions: Sessions, lease_seconds: float) -> None:
        self._job, self.token = job, token
        self._sessions, self._lease_seconds = sessions, lease_seconds
        self._cancelling = job.state == State.CANCELLING
        self._asked_before = self._cancelling
        self._lost = False
        self._reported_at = 0.0
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, name=f"lease-{job.id}", daemon=True)

    @property
    def id(self) -> str:
        return self._job.id

    @property
    def project_id(self) -> str:
        return self._job.project_id

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
        """From now on `check` lets the run go on: it is winding down."""
        self._asked_before = True

    def check(self) -> None:
        if self._lost:
            raise LeaseLost
        if self._cancelling and not self._asked_before:
            raise JobCancelled

    def report(self, done: int, total: int | None, *, unit: str, stage: str = "") -> None:
        if time.monotonic() - self._reported_at < _PROGRESS_SECONDS and done != total:
            return
        self._reported_at = time.monotonic()
        progress = {"done": done, "total": total, "unit": unit, "stage": stage or None}
        with self._sessions.transaction() as session:
            if repository.write_progress(
                session, self.id, self.token, progress=progress, now=utc_now()
            ):
                record_event(
                    session,
                    project_id=self.project_id,
                    type="job.progress",
                    job_id=self.id,
                    data={"progress": progress},
                )

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
        # Cancels are seen within a second even when the lease is long.
        pause = min(self._lease_seconds / 3, 1.0)
        while not self._stop.wait(pause):
            try:
                self._renew()
            except Exception as error:  # noqa: BLE001  the database is away: the lease may run out
                log.warning("lease_renewal_failed", job_id=self.id, error=type(error).__name__)

    def _renew(self) -> None:
        until = utc_now() + timedelta(seconds=self._lease_seconds)
        with self._sessions.transaction() as session:
            state = repository.renew(session, self.id, self.token, until=until)
        self._lost = state is None
        self._cancelling = state == State.CANCELLING
