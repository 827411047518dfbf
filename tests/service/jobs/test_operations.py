"""Jobs in the database: submitted once, claimed by one, never lost."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Self

import pytest

from service.clock import utc_now
from service.database import Sessions
from service.errors import Conflict, DatabaseUnavailable, Invalid, NotFound, RateLimited
from service.jobs.claims import finish_job, park_job, requeue_job, retry_job
from service.jobs.dispatch import send_due_messages
from service.jobs.leases import LeasedRun
from service.jobs.lifecycle import Reason, State
from service.jobs.models import Job
from service.jobs.operations import Request, cancel_job, submit_job
from service.jobs.ports import JobCancelled, LeaseLost, Waiting
from service.jobs.queries import get_job, list_jobs
from service.jobs.sweeps import purge_keys, requeue_expired, wake_due, wake_job
from service.task_queue import Queue
from service.webhooks.event_log import list_events
from tests.service.jobs.conftest import KINDS, CountSpec, Jobs
from tests.support.eventually import eventually


def state_of(jobs: Jobs, job_id: str) -> State:
    return State(get_job(job_id, project_id=jobs.project_id, sessions=jobs.sessions).state)


def types_of(jobs: Jobs, job_id: str) -> list[str]:
    events = list_events(
        jobs.project_id, job_id=job_id, types=(), after_seq=0, limit=100, sessions=jobs.sessions
    )
    return [event.type for event in events]


def sweep(jobs: Jobs, *, later_seconds: float = 0) -> int:
    return send_due_messages(
        utc_now() + timedelta(seconds=later_seconds),
        services=jobs.services,
        queues=list(Queue),
        redispatch_seconds=20,
        limit=100,
    )


def cancel(jobs: Jobs, job_id: str, *, cleans_up_on_cancel: bool = False) -> Job:
    kinds = {"count": replace(KINDS["count"], cleans_up_on_cancel=cleans_up_on_cancel)}
    services = replace(jobs.services, kinds=kinds)
    return cancel_job(job_id, project_id=jobs.project_id, services=services)


def claimed(jobs: Jobs, *, lease_seconds: float = 30) -> tuple[Job, str]:
    job, _ = jobs.submit()
    claim = jobs.claim(job.id, lease_seconds=lease_seconds)
    assert claim is not None
    return claim


def test_a_submitted_job_is_queued_with_its_output_reserved_and_its_message_sent(
    jobs: Jobs,
) -> None:
    job, replayed = jobs.submit()
    assert not replayed
    assert job.state == State.QUEUED
    assert job.outputs["dataset"].startswith("ds_")
    assert job.spec == {"upto": 3}
    assert jobs.task_queue.messages == [("tests.count", (job.id,), KINDS["count"].queue)]
    assert types_of(jobs, job.id) == ["job.created"]


def test_the_same_key_and_body_return_the_same_job(jobs: Jobs) -> None:
    first, _ = jobs.submit(key="k1")
    second, replayed = jobs.submit(key="k1")
    assert replayed
    assert second.id == first.id


def test_the_same_key_with_another_body_is_refused(jobs: Jobs) -> None:
    jobs.submit(key="k1")
    with pytest.raises(Invalid) as caught:
        jobs.submit(key="k1", upto=4)
    assert caught.value.code == "idempotency_key_reused"


def test_two_submissions_at_once_with_one_key_make_one_job(jobs: Jobs) -> None:
    made: list[str] = []

    def submit() -> None:
        made.append(jobs.submit(key="same")[0].id)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1


def test_old_keys_are_forgotten(jobs: Jobs) -> None:
    first, _ = jobs.submit(key="k1")
    purge_keys(utc_now() + timedelta(seconds=1), sessions=jobs.sessions)
    second, replayed = jobs.submit(key="k1")
    assert not replayed
    assert second.id != first.id


def test_a_full_project_has_to_wait(jobs: Jobs) -> None:
    jobs.submit()
    request = Request(kind="count", spec=CountSpec(), labels={}, project_id=jobs.project_id)
    with pytest.raises(RateLimited) as caught:
        submit_job(
            request,
            services=jobs.services,
            open_jobs_limit=1,
        )
    assert caught.value.code == "queue_full"


def test_work_is_accepted_while_the_broker_is_away_and_sent_when_it_is_back(jobs: Jobs) -> None:
    jobs.task_queue.away = True
    job, _ = jobs.submit()
    assert sweep(jobs) == 0
    jobs.task_queue.away = False
    assert sweep(jobs) == 1
    assert jobs.task_queue.messages[0][1] == (job.id,)


def test_a_message_that_was_sent_is_not_sent_again_until_it_must_be_lost(jobs: Jobs) -> None:
    jobs.submit()
    assert sweep(jobs) == 0
    assert sweep(jobs, later_seconds=30) == 1


def test_one_of_two_messages_wins_the_claim(jobs: Jobs) -> None:
    job, _ = jobs.submit()
    assert jobs.claim(job.id) is not None
    assert jobs.claim(job.id) is None
    assert types_of(jobs, job.id) == ["job.created", "job.started"]


def test_an_expired_lease_is_taken_over_and_the_old_worker_can_write_nothing(jobs: Jobs) -> None:
    job, old = claimed(jobs, lease_seconds=-1)
    taken = jobs.claim(job.id)
    assert taken is not None
    assert not finish_job(job.id, State.SUCCEEDED, token=old, sessions=jobs.sessions)
    assert finish_job(job.id, State.SUCCEEDED, token=taken[1], sessions=jobs.sessions)
    assert state_of(jobs, job.id) is State.SUCCEEDED


def test_a_dead_workers_job_is_queued_again_and_dispatched(jobs: Jobs) -> None:
    job, _ = claimed(jobs, lease_seconds=-1)
    jobs.task_queue.messages.clear()
    assert requeue_expired(utc_now(), sessions=jobs.sessions) == 1
    assert state_of(jobs, job.id) is State.QUEUED
    assert sweep(jobs) == 1
    again = jobs.claim(job.id)
    assert again is not None
    assert again[0].attempt == 2


def test_a_job_that_kills_its_workers_fails_in_the_end(jobs: Jobs) -> None:
    job, _ = jobs.submit()
    for _ in range(2):
        assert jobs.claim(job.id, lease_seconds=-1, attempts_limit=2) is not None
        requeue_expired(utc_now(), sessions=jobs.sessions)
    assert jobs.claim(job.id, attempts_limit=2) is None
    ended = get_job(job.id, project_id=jobs.project_id, sessions=jobs.sessions)
    assert ended.state == State.FAILED
    assert (ended.error or {})["code"] == "attempts_exhausted"


def test_a_parked_job_wakes_at_its_time(jobs: Jobs) -> None:
    job, token = claimed(jobs)
    park_job(job.id, Waiting(Reason.RETRY, seconds=60), token=token, sessions=jobs.sessions)
    assert state_of(jobs, job.id) is State.WAITING
    assert wake_due(utc_now(), sessions=jobs.sessions) == 0
    assert wake_due(utc_now() + timedelta(seconds=61), sessions=jobs.sessions) == 1
    assert types_of(jobs, job.id)[-2:] == ["job.waiting", "job.resumed"]


def test_a_job_waits_for_the_one_that_makes_its_input(jobs: Jobs) -> None:
    producer, producer_token = claimed(jobs)
    consumer, token = claimed(jobs)
    waiting = Waiting(Reason.INPUT, waits_for=producer.id)
    park_job(consumer.id, waiting, token=token, sessions=jobs.sessions)
    assert wake_due(utc_now(), sessions=jobs.sessions) == 0
    finish_job(producer.id, State.SUCCEEDED, token=producer_token, sessions=jobs.sessions)
    assert wake_due(utc_now(), sessions=jobs.sessions) == 1
    assert state_of(jobs, consumer.id) is State.QUEUED
    assert (
        get_job(consumer.id, project_id=jobs.project_id, sessions=jobs.sessions).started_at is None
    )


def test_a_failure_that_may_pass_is_retried_and_its_attempts_go_on_counting(jobs: Jobs) -> None:
    job, token = claimed(jobs)
    retry_job(job.id, RateLimited("later"), seconds=0, token=token, sessions=jobs.sessions)
    assert wake_due(utc_now(), sessions=jobs.sessions) == 1
    again = jobs.claim(job.id)
    assert again is not None
    assert again[0].attempt == 2


def test_an_attempt_that_met_the_database_away_is_none(jobs: Jobs) -> None:
    job, token = claimed(jobs)
    for _ in range(9):
        retry_job(
            job.id,
            DatabaseUnavailable("away"),
            seconds=0,
            token=token,
            sessions=jobs.sessions,
            attempts=job.attempts_without_progress - 1,
        )
        assert wake_due(utc_now(), sessions=jobs.sessions) == 1
        again = jobs.claim(job.id)
        assert again is not None
        job, token = again
    assert (job.attempt, job.attempts_without_progress) == (10, 1)


def test_a_queued_job_is_cancelled_at_once(jobs: Jobs) -> None:
    job, _ = jobs.submit()
    assert cancel(jobs, job.id).state == State.CANCELLED
    assert jobs.claim(job.id) is None
    assert cancel(jobs, job.id).state == State.CANCELLED


def test_an_ended_job_cannot_be_cancelled(jobs: Jobs) -> None:
    job, token = claimed(jobs)
    finish_job(job.id, State.SUCCEEDED, token=token, sessions=jobs.sessions)
    with pytest.raises(Conflict) as caught:
        cancel(jobs, job.id)
    assert caught.value.code == "job_finished"


def test_a_waiting_job_that_is_cancelled_is_looked_at_once_more(jobs: Jobs) -> None:
    job, token = claimed(jobs)
    park_job(job.id, Waiting(Reason.PROVIDER), token=token, sessions=jobs.sessions)
    jobs.task_queue.messages.clear()
    assert cancel(jobs, job.id, cleans_up_on_cancel=True).state == State.CANCELLING
    assert jobs.task_queue.messages
    again = jobs.claim(job.id)
    assert again is not None
    assert again[0].state == State.CANCELLING
    assert finish_job(job.id, State.CANCELLED, token=again[1], sessions=jobs.sessions)


def test_a_waiting_job_that_has_begun_nothing_elsewhere_ends_at_once(jobs: Jobs) -> None:
    job, token = claimed(jobs)
    park_job(job.id, Waiting(Reason.QUOTA, seconds=60), token=token, sessions=jobs.sessions)
    assert cancel(jobs, job.id).state == State.CANCELLED
    assert types_of(jobs, job.id)[-1] == "job.cancelled"


def test_a_job_that_gets_on_between_deaths_of_its_worker_is_not_given_up(jobs: Jobs) -> None:
    job, _ = jobs.submit()
    for done in range(1, 8):
        claim = jobs.claim(job.id, lease_seconds=-1, attempts_limit=3)
        assert claim is not None
        run = LeasedRun(*claim, sessions=jobs.sessions, lease_seconds=30)
        run.report(done, 7, unit="items")
    for _ in range(3):
        assert jobs.claim(job.id, lease_seconds=-1, attempts_limit=3)
    assert jobs.claim(job.id, lease_seconds=-1, attempts_limit=3) is None
    assert state_of(jobs, job.id) == State.FAILED


def test_a_job_that_is_requeued_is_due_for_a_message_and_keeps_its_attempts(
    jobs: Jobs,
) -> None:
    job, token = claimed(jobs)
    jobs.task_queue.messages.clear()
    assert requeue_job(job.id, token=token, sessions=jobs.sessions)
    assert state_of(jobs, job.id) == State.QUEUED
    assert sweep(jobs) == 1
    again = jobs.claim(job.id)
    assert again is not None
    assert again[0].attempt == 1
    assert not requeue_job(job.id, token=token, sessions=jobs.sessions)


def test_a_running_job_learns_within_seconds_that_it_is_cancelled(jobs: Jobs) -> None:
    job, token = claimed(jobs)
    with LeasedRun(job, token, sessions=jobs.sessions, lease_seconds=30) as run:
        run.check()
        cancel(jobs, job.id)
        eventually(lambda: run.cancelling, what="the cancel was not seen")
        with pytest.raises(JobCancelled):
            run.check()


def test_a_run_whose_lease_was_taken_may_not_write(jobs: Jobs) -> None:
    job, token = claimed(jobs, lease_seconds=-1)
    run = LeasedRun(job, token, sessions=jobs.sessions, lease_seconds=30)
    assert jobs.claim(job.id) is not None
    with pytest.raises(LeaseLost), run.fenced():
        raise AssertionError("the fence let a stale worker in")
    with pytest.raises(LeaseLost):
        run.check()


def test_a_lease_is_renewed_while_its_worker_lives(jobs: Jobs) -> None:
    job, token = claimed(jobs, lease_seconds=1.5)
    before = job.lease_until
    with LeasedRun(job, token, sessions=jobs.sessions, lease_seconds=1.5):

        def renewed() -> bool:
            now = get_job(job.id, project_id=jobs.project_id, sessions=jobs.sessions)
            return bool(now.lease_until and before and now.lease_until > before)

        eventually(renewed, what="the lease was not renewed")


def test_waking_a_held_job_asks_to_come_back(jobs: Jobs) -> None:
    job, token = claimed(jobs)
    assert not wake_job(job.id, sessions=jobs.sessions)
    park_job(job.id, Waiting(Reason.PROVIDER), token=token, sessions=jobs.sessions)
    assert wake_job(job.id, sessions=jobs.sessions)
    assert state_of(jobs, job.id) is State.QUEUED


def test_jobs_are_listed_newest_first_and_filtered(jobs: Jobs) -> None:
    ids = [jobs.submit(labels={"team": f"t{number % 2}"})[0].id for number in range(4)]
    listed = list_jobs(jobs.project_id, sessions=jobs.sessions, limit=3)
    assert [job.id for job in listed] == ids[:0:-1]
    rest = list_jobs(jobs.project_id, sessions=jobs.sessions, limit=3, after=listed[-1].id)
    assert [job.id for job in rest] == ids[:1]
    labelled = list_jobs(jobs.project_id, sessions=jobs.sessions, label=("team", "t1"))
    assert [job.id for job in labelled] == [ids[3], ids[1]]


def test_a_job_of_another_project_is_not_found(jobs: Jobs, sessions: Sessions) -> None:
    job, _ = jobs.submit()
    with pytest.raises(NotFound):
        get_job(job.id, project_id="proj_other", sessions=sessions)


def test_events_have_no_gaps_whatever_happens_at_once(jobs: Jobs) -> None:
    def work() -> None:
        for _ in range(5):
            jobs.submit()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = list_events(
        jobs.project_id, job_id=None, types=(), after_seq=0, limit=100, sessions=jobs.sessions
    )
    assert [event.seq for event in events] == list(range(1, 21))


class ClockAhead(datetime):
    """The clock of a machine that is 45 minutes ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(minutes=45)


def test_a_process_whose_clock_is_ahead_neither_takes_jobs_over_nor_shortens_leases(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, token = claimed(jobs, lease_seconds=30)
    parked, other = claimed(jobs)
    later = Waiting(Reason.RETRY, seconds=40)
    assert park_job(parked.id, later, token=other, sessions=jobs.sessions)
    monkeypatch.setattr("service.clock.datetime", ClockAhead)
    now = jobs.sessions.now()
    assert utc_now() - now > timedelta(minutes=40)
    assert requeue_expired(now, sessions=jobs.sessions) == 0
    assert wake_due(now, sessions=jobs.sessions) == 0
    assert jobs.claim(job.id) is None
    claim = jobs.claim(jobs.submit()[0].id, lease_seconds=30)
    assert claim is not None
    assert claim[0].lease_until is not None
    assert claim[0].lease_until - now < timedelta(minutes=40)
    assert finish_job(job.id, State.SUCCEEDED, token=token, sessions=jobs.sessions)
