"""A sweep sends messages queue by queue: one without a reader keeps no other waiting."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from service.clock import utc_now
from service.container import Container
from service.jobs.operations import Request, submit_job
from service.projects.operations import ensure_project
from service.settings import Settings
from service.task_queue import Queue
from tests.support.task_messages import MemoryTaskQueue
from workers.ticker import sweeps, tick

PREPARE = {
    "preset": "pii",
    "source": {"type": "synthetic", "rows": 100, "seed": 0},
    "train_sizes": [10],
    "test_size": 10,
}


@pytest.fixture
def services(tmp_path: Path, database_url: str) -> Container:
    container = Container(
        Settings(data_dir=tmp_path, database_url=database_url, redis_url="redis://127.0.0.1:1")
    )
    container.__dict__["task_queue"] = MemoryTaskQueue()
    return container


def test_a_queue_that_nobody_reads_does_not_hold_up_the_others(services: Container) -> None:
    queue = services.task_queue
    assert isinstance(queue, MemoryTaskQueue)
    queue.away = True
    kinds = services.kinds
    request = Request(
        kind="prepare",
        spec=kinds["prepare"].spec.model_validate(PREPARE),
        labels={},
        project_id=ensure_project("default", sessions=services.sessions),
    )
    job, _ = submit_job(
        request,
        services=services.jobs,
        open_jobs_limit=10,
    )
    queue.away = False
    for full in (Queue.NOTIFY, Queue.EVALUATE):
        for number in range(services.settings.queue_length_limit):
            queue.send("unread", str(number), queue=full)
    sweeps(services)["send_due_messages"](utc_now())
    assert ("datasets.prepare", (job.id,), Queue.PREPARE) in queue.messages
    services.close()


def test_workers_are_asked_once_an_hour_to_purge_what_is_left_and_outdated(
    services: Container,
) -> None:
    queue = services.task_queue
    assert isinstance(queue, MemoryTaskQueue)
    purge, now = sweeps(services)["purge"], utc_now()

    for minutes in (0, 30, 61, -300):  # at the end the clock is set back
        purge(now + timedelta(minutes=minutes))

    asked = [("datasets.purge", (), Queue.PREPARE), ("erasure.purge", (), Queue.POLL)]
    assert queue.messages == asked * 3
    services.close()


def test_a_tick_takes_its_time_from_the_database(services: Container) -> None:
    taken: list[datetime] = []
    now = services.sessions.now()
    tick({"any": taken.append}, services.sessions.now)
    assert now <= taken[0] <= services.sessions.now()
    tick({"any": taken.append}, lambda: now - timedelta(days=1))
    assert taken[1] == now - timedelta(days=1)
    services.close()
