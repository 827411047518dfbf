"""The database's clock is set back: waits, lost messages and leases of the dead do not last."""

from datetime import datetime, timedelta

import pytest

from service.jobs import sweep_repository
from service.jobs.claims import park_job
from service.jobs.dispatch import send_due_messages
from service.jobs.lifecycle import Reason, State
from service.jobs.models import Job
from service.jobs.ports import Waiting
from service.jobs.sweeps import requeue_expired, wake_due
from service.task_queue import Queue
from tests.service.jobs.conftest import Jobs

BACK = [timedelta(minutes=10), timedelta(hours=5), timedelta(days=30)]


def state_of(jobs: Jobs, job_id: str) -> str:
    with jobs.sessions.reading() as session:
        return session.get_one(Job, job_id).state


def earlier(jobs: Jobs, by: timedelta) -> datetime:
    """Return what the clock shows once it was set back."""
    return jobs.sessions.now() - by


@pytest.mark.parametrize("by", BACK)
def test_a_wait_does_not_last_until_the_clock_is_there_again(jobs: Jobs, by: timedelta) -> None:
    job, _ = jobs.submit()
    claimed = jobs.claim(job.id)
    assert claimed
    waiting = Waiting(Reason.RETRY, seconds=30)
    park_job(job.id, waiting, token=claimed[1], sessions=jobs.sessions)
    assert wake_due(jobs.sessions.now(), sessions=jobs.sessions) == 0

    assert wake_due(earlier(jobs, by), sessions=jobs.sessions) == 1
    assert state_of(jobs, job.id) == State.QUEUED


@pytest.mark.parametrize("by", BACK)
def test_a_lost_message_is_sent_again(jobs: Jobs, by: timedelta) -> None:
    jobs.submit()
    sent = len(jobs.task_queue.messages)

    def sweep(now: datetime) -> int:
        return send_due_messages(
            now, services=jobs.services, queues=[Queue.PREPARE], redispatch_seconds=20, limit=9
        )

    assert sweep(jobs.sessions.now()) == 0
    assert sweep(earlier(jobs, by)) == 1
    assert len(jobs.task_queue.messages) == sent + 1
    assert sweep(earlier(jobs, by)) == 0


@pytest.mark.parametrize("by", BACK[1:])
def test_the_lease_of_a_dead_worker_runs_out(jobs: Jobs, by: timedelta) -> None:
    job, _ = jobs.submit()
    assert jobs.claim(job.id)
    assert requeue_expired(jobs.sessions.now(), sessions=jobs.sessions) == 0

    assert requeue_expired(earlier(jobs, by), sessions=jobs.sessions) == 1


def test_a_small_step_takes_no_lease_away(jobs: Jobs) -> None:
    job, _ = jobs.submit()
    assert jobs.claim(job.id)
    with jobs.sessions.transaction() as session:
        found = sweep_repository.take_expired(
            session, now=earlier(jobs, timedelta(minutes=1)), limit=9
        )
        assert found == []
