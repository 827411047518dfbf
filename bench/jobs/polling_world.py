"""Tunings that run at a provider of this process, and a fleet that polls them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from sqlalchemy import func, select

from bench.jobs.tuning_server import PARENT, TuningServer, serve_tunings
from service.clock import utc_now
from service.database import Sessions, open_sessions
from service.jobs.lifecycle import OPEN, Reason, State
from service.jobs.models import Job
from service.tuning.models import TunedModel, TuningRun
from tests.support.fleet import FleetProcess, ProcessFleet, start_fleet
from tests.support.redis import RedisServer
from tests.support.runs import add_project

_AGE = timedelta(days=2)  # a tenth of it is longer than any interval


@dataclass
class PollingWorld:
    """A fleet that polls `count` tunings; the parts that a fault strikes."""

    sessions: Sessions
    server: TuningServer
    redis: RedisServer
    workers: Sequence[FleetProcess]
    ticker: FleetProcess
    gaps: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    up_at: datetime | None = None
    _seen: dict[str, datetime] = field(default_factory=dict)

    def look(self) -> None:
        """Add the pauses between polls that were made since the last look, and of each tuning
        how long its first poll after `up_at` was waited for.
        """
        for job_id, polled_at in self._polled():
            before = self._seen.get(job_id, polled_at)
            if polled_at > before:
                self.gaps.append((polled_at - before).total_seconds())
            if self.up_at and before < self.up_at <= polled_at:
                self.waits.append((polled_at - self.up_at).total_seconds())
            self._seen[job_id] = polled_at

    def waiting_seconds(self) -> list[float]:
        """Return for each open tuning how long ago its last poll was."""
        now = self.sessions.now()
        return [(now - polled_at).total_seconds() for _, polled_at in self._polled()]

    def are_polled_since(self, moment: datetime) -> bool:
        """Look, and return whether every open tuning was polled after a moment."""
        self.look()
        return all(polled_at >= moment for _, polled_at in self._polled())

    def open_jobs(self) -> int:
        with self.sessions.reading() as session:
            open_states = [state.value for state in OPEN]
            query = select(func.count()).select_from(Job).where(Job.state.in_(open_states))
            return session.scalar(query) or 0

    def _polled(self) -> Sequence[tuple[str, datetime]]:
        with self.sessions.reading() as session:
            query = select(TuningRun.job_id, TuningRun.polled_at)
            found = session.execute(query.where(TuningRun.finished_at.is_(None)))
            return [(job_id, polled_at) for job_id, polled_at in found if polled_at]


@contextmanager
def start_polling(
    folder: Path,
    database_url: str,
    redis: RedisServer,
    *,
    count: int,
    interval: float,
    afresh: bool = False,
) -> Iterator[PollingWorld]:
    """Yield two workers and a ticker that poll tunings every `interval` seconds, from a database
    that is migrated; `afresh` starts them as an operator does.
    """
    sessions = open_sessions(database_url)
    add_tunings(sessions, count=count, interval=interval)
    with serve_tunings(count) as server, start_fleet(folder, {}, afresh=afresh) as fleet:
        fleet.env |= _environment(folder, database_url, redis, server, interval)
        workers = [_worker(fleet, number) for number in (1, 2)]
        yield PollingWorld(sessions, server, redis, workers, fleet.start_ticker())
    sessions.close()


def _worker(fleet: ProcessFleet, number: int) -> FleetProcess:
    return fleet.start_worker("poll,tune", name=f"worker{number}")


def _environment(
    folder: Path, database_url: str, redis: RedisServer, server: TuningServer, interval: float
) -> dict[str, str]:
    return {
        "TUNECURVE_DATABASE_URL": database_url,
        "TUNECURVE_REDIS_URL": redis.url,
        "TUNECURVE_DATA_DIR": str(folder),
        "TUNECURVE_VERTEX_ENDPOINT": server.url,
        "TUNECURVE_GOOGLE_CLOUD_PROJECT": "bench",
        "TUNECURVE_POLL_SECONDS": str(interval / 10),
        "TUNECURVE_LONGEST_POLL_SECONDS": str(interval),
    }


def add_tunings(sessions: Sessions, *, count: int, interval: float) -> None:
    """Write tunings of others that are followed, amid their polls: due evenly over an interval."""
    project_id, now, random = add_project(sessions), utc_now(), Random(0)  # noqa: S311
    with sessions.transaction() as session:
        jobs = [_job(number, project_id, now) for number in range(count)]
        session.add_all(jobs)
        session.flush()
        for number, job in enumerate(jobs):
            polled_at = now - timedelta(seconds=interval * random.random())
            due = polled_at + timedelta(seconds=interval)
            session.add(_model(job, now))
            session.add(_tuning(number, job, polled_at=polled_at, due=due, began=now - _AGE))


def _job(number: int, project_id: str, now: datetime) -> Job:
    name = f"job_{number:026d}"
    return Job(
        id=name,
        project_id=project_id,
        kind="poll",
        queue="poll",
        state=State.WAITING.value,
        reason=Reason.PROVIDER.value,
        spec={"provider": "vertex", "resource_name": f"{PARENT}/{number}"},
        outputs={"model": name.replace("job", "model")},
        labels={},
        progress={},
        cost={},
        created_at=now,
        updated_at=now,
    )


def _model(job: Job, now: datetime) -> TunedModel:
    return TunedModel(
        id=job.outputs["model"],
        project_id=job.project_id,
        job_id=job.id,
        provider="vertex",
        base_model="",
        created_at=now,
    )


def _tuning(
    number: int, job: Job, *, polled_at: datetime, due: datetime, began: datetime
) -> TuningRun:
    return TuningRun(
        id=job.id.replace("job", "tun"),
        project_id=job.project_id,
        provider="vertex",
        result={},
        attached=True,
        job_id=job.id,
        state="accepted",
        provider_state="JOB_STATE_RUNNING",
        phase="training",
        progress={"done": 0, "total": 10, "unit": "epochs"},
        resource_name=f"{PARENT}/{number}",
        intended_at=began,
        submitted_at=began,
        running_since=began,
        polled_at=polled_at,
        next_poll_at=due,
    )
