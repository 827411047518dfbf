"""A parent shows how many of its children have ended; a cancel survives a failing worker."""

from service.errors import Unavailable
from service.jobs.lifecycle import State
from service.jobs.operations import (
    Job,
    Request,
    cancel_job,
    finish_job,
    get_job,
    reserve_ids,
    retry_job,
    write_job,
)
from service.webhooks.operations import list_events
from tests.service.jobs.conftest import KINDS, CountSpec, Jobs


def child_of(jobs: Jobs, parent: Job) -> Job:
    request = Request(kind="count", spec=CountSpec(), labels={}, project_id=jobs.project_id)
    submission = reserve_ids(request, KINDS["count"], parent_id=parent.id)
    with jobs.sessions.transaction() as session:
        return write_job(session, submission, kind=KINDS["count"])


def cancel(jobs: Jobs, job_id: str) -> None:
    cancel_job(
        job_id,
        project_id=jobs.project_id,
        kinds=KINDS,
        sessions=jobs.sessions,
        task_queue=jobs.task_queue,
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
    told = list_events(jobs.project_id, job_id=parent.id, sessions=jobs.sessions)
    assert [event.type for event in told] == ["job.created", "job.progress", "job.progress"]


def test_the_end_of_a_child_changes_nothing_of_a_parent_that_has_ended(jobs: Jobs) -> None:
    parent, _ = jobs.submit()
    child = child_of(jobs, parent)
    claim = jobs.claim(parent.id)
    assert claim is not None
    finish_job(parent.id, State.FAILED, token=claim[1], sessions=jobs.sessions)
    before = seen(jobs, parent).updated_at
    cancel(jobs, child.id)
    assert seen(jobs, parent).updated_at == before


def test_a_failure_in_the_moment_of_a_cancel_lets_go_of_the_job(jobs: Jobs) -> None:
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
