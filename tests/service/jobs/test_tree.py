"""A parent shows how many of its children have ended; a cancel survives a failing worker."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sqlalchemy import text

from service.database import Sessions
from service.errors import Unavailable
from service.ids import Prefix, new_id
from service.jobs import repository
from service.jobs.claims import finish_job, park_job, retry_job
from service.jobs.dispatch import dispatch, dispatch_parent
from service.jobs.leases import LeasedRun
from service.jobs.lifecycle import Reason, State
from service.jobs.models import Job
from service.jobs.operations import Request, cancel_job, reserve_ids, write_job
from service.jobs.ports import Submission, Waiting
from service.jobs.queries import get_job, list_jobs
from service.webhooks.event_log import list_events
from tests.service.jobs.conftest import KINDS, CountSpec, Jobs
from tests.support.eventually import eventually


def child_of(jobs: Jobs, parent: Job) -> Job:
    request = Request(kind="count", spec=CountSpec(), labels={}, project_id=jobs.project_id)
    submission = reserve_ids(request, KINDS["count"], parent_id=parent.id)
    with jobs.sessions.transaction() as session:
        return write_job(session, submission, kind=KINDS["count"])[0]


def cancel(jobs: Jobs, job_id: str) -> None:
    cancel_job(
        job_id,
        project_id=jobs.project_id,
        services=jobs.services,
    )


def seen(jobs: Jobs, job: Job) -> Job:
    return get_job(job.id, project_id=jobs.project_id, sessions=jobs.sessions)


def test_each_end_of_a_child_is_progress_of_its_parent(jobs: Jobs) -> None:
    parent, _ = jobs.submit()
    first, second = child_of(jobs, parent), child_of(jobs, parent)
    claim = jobs.claim(first.id)
    assert claim is not None
    finish_job(first.id, State.SUCCEEDED, token=claim[1], sessions=jobs.sessions)
    assert seen(jobs, parent).progress["done"] == 1
    cancel(jobs, second.id)
    assert seen(jobs, parent).progress == {
        "done": 2,
        "total": 2,
        "unit": "jobs",
        "stage": "children",
    }
    events = list_events(jobs.project_id, job_id=parent.id, sessions=jobs.sessions)
    assert [event.type for event in events] == ["job.created", "job.progress", "job.progress"]


def test_a_tree_is_sent_while_a_child_of_it_ends(jobs: Jobs) -> None:
    parent, _ = jobs.submit()
    child = child_of(jobs, parent)
    with ThreadPoolExecutor(1) as pool, jobs.sessions.transaction() as session:
        repository.lock(session, child.id)
        sending = pool.submit(
            dispatch,
            [parent, child],
            services=jobs.services,
        )
        eventually(lambda: somebody_waits(jobs.sessions), what="nobody waits for the child")
        repository.lock(session, parent.id)
    assert sending.result() == 2


def somebody_waits(sessions: Sessions) -> bool:
    """Whether a lock of a row is waited for; SQLite has none, and no order to get wrong."""
    if sessions.engine.dialect.name == "sqlite":
        return True
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
    with sessions.reading() as session:
        return session.scalar(text(f"{waiting} AND wait_event_type = 'Lock'")) is not None


def test_the_end_of_a_child_changes_nothing_of_a_parent_that_has_ended(jobs: Jobs) -> None:
    parent, _ = jobs.submit()
    child = child_of(jobs, parent)
    claim = jobs.claim(parent.id)
    assert claim is not None
    finish_job(parent.id, State.FAILED, token=claim[1], sessions=jobs.sessions)
    before = seen(jobs, parent).updated_at
    cancel(jobs, child.id)
    assert seen(jobs, parent).updated_at == before


def test_a_failure_in_the_moment_of_a_cancel_releases_the_job(jobs: Jobs) -> None:
    job, _ = jobs.submit()
    claim = jobs.claim(job.id)
    assert claim is not None
    cancel(jobs, job.id)
    away = Unavailable("the provider is away")
    assert retry_job(job.id, away, seconds=0, token=claim[1], sessions=jobs.sessions)
    parked = seen(jobs, job)
    assert parked.state == State.CANCELLING
    assert parked.lease_owner is None
    again = jobs.claim(job.id)
    assert again is not None
    assert again[0].attempt == 2


def shards_of(jobs: Jobs, parent: Job, *, count: int) -> list[Job]:
    kind = replace(KINDS["count"], is_shard=True)
    with jobs.sessions.transaction() as session:
        return [
            write_job(
                session,
                Submission(
                    id=new_id(Prefix.JOB),
                    project_id=jobs.project_id,
                    kind="count",
                    spec=CountSpec(),
                    outputs=parent.outputs,
                    parent_id=parent.id,
                    total=10,
                ),
                kind=kind,
            )[0]
            for _ in range(count)
        ]


def test_shards_add_up_in_the_progress_of_their_parent_and_announce_nothing(jobs: Jobs) -> None:
    parent, _ = jobs.submit()
    first, second = shards_of(jobs, parent, count=2)
    assert first.root_id == parent.id
    for shard, done in ((first, 4), (second, 3)):
        claim = jobs.claim(shard.id)
        assert claim is not None
        run = LeasedRun(*claim, sessions=jobs.sessions, lease_seconds=30)
        run.report(done, 10, unit="items")
        finish_job(shard.id, State.SUCCEEDED, token=claim[1], sessions=jobs.sessions)
    progress = seen(jobs, parent).progress
    assert (progress["done"], progress["total"], progress["unit"]) == (7, 20, "items")
    events = list_events(jobs.project_id, sessions=jobs.sessions)
    assert {event.job for event in events} == {parent.id}
    listed = list_jobs(jobs.project_id, sessions=jobs.sessions)
    assert [job.id for job in listed] == [parent.id]


def test_the_last_child_to_end_queues_a_parent_that_waits_for_it(jobs: Jobs) -> None:
    parent, _ = jobs.submit()
    shards = shards_of(jobs, parent, count=2)
    claim = jobs.claim(parent.id)
    assert claim is not None
    park_job(parent.id, Waiting(Reason.CHILDREN), token=claim[1], sessions=jobs.sessions)
    jobs.task_queue.messages.clear()
    for shard, state in zip(shards, (State.WAITING, State.QUEUED), strict=True):
        held = jobs.claim(shard.id)
        assert held is not None
        finish_job(shard.id, State.SUCCEEDED, token=held[1], sessions=jobs.sessions)
        assert seen(jobs, parent).state == state
        dispatch_parent(shard.id, services=jobs.services)
    assert [ids for _, ids, _ in jobs.task_queue.messages] == [(parent.id,)]


def test_a_cancel_reaches_the_children_of_children(jobs: Jobs) -> None:
    parent, _ = jobs.submit()
    child = child_of(jobs, parent)
    shards = shards_of(jobs, child, count=2)
    assert {shard.root_id for shard in shards} == {parent.id}
    assert jobs.claim(shards[0].id)
    cancel(jobs, parent.id)
    states = [seen(jobs, job).state for job in (parent, child, *shards)]
    assert states == [State.CANCELLED, State.CANCELLED, State.CANCELLING, State.CANCELLED]
