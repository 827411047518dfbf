"""Turns: a project with many waiting jobs delays another's by at most one job a slot."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from service.database import Sessions
from service.jobs.claims import claim_in_turn, finish_job
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.projects.operations import ensure_project
from tests.service.jobs.conftest import Jobs

SLOTS = 2
Claim = tuple[Job, str]


def start(jobs: Jobs, message: str) -> Claim | None:
    return claim_in_turn(message, sessions=jobs.sessions, lease_seconds=60, attempts_limit=5)


def end(jobs: Jobs, claim: Claim) -> None:
    finish_job(claim[0].id, State.SUCCEEDED, token=claim[1], sessions=jobs.sessions)


@pytest.fixture
def other(jobs: Jobs, sessions: Sessions) -> Jobs:
    return replace(jobs, project_id=ensure_project("other", sessions=sessions))


def messages(jobs: Jobs) -> list[str]:
    return [ids[0] for _, ids, _ in jobs.task_queue.messages]


def test_another_projects_job_starts_at_the_next_slot_that_is_free(jobs: Jobs, other: Jobs) -> None:
    many = [jobs.submit()[0].id for _ in range(12)]
    sent = iter(many)
    running = [start(jobs, next(sent)) for _ in range(SLOTS)]
    theirs, _ = other.submit()

    first = running[0]
    assert first is not None
    end(jobs, first)
    claimed = start(jobs, next(sent))

    assert claimed is not None
    assert claimed[0].id == theirs.id


def test_projects_take_turns_and_every_message_starts_one_job(jobs: Jobs, other: Jobs) -> None:
    ours = {jobs.submit()[0].id for _ in range(20)}
    theirs = {other.submit()[0].id for _ in range(5)}
    order: list[str] = []
    running: list[Claim] = []
    for message in messages(jobs):
        if len(running) == SLOTS:
            end(jobs, running.pop(0))
        claimed = start(jobs, message)
        assert claimed is not None, "a message has started nothing"
        running.append(claimed)
        order.append(claimed[0].id)

    assert set(order) == ours | theirs
    assert len(order) == len(ours | theirs)
    turns = "".join("t" if each in theirs else "o" for each in order)
    assert turns.startswith(("ototototo", "tototototo"))


def test_a_project_alone_is_served_in_the_order_of_its_messages(jobs: Jobs) -> None:
    many = [jobs.submit()[0].id for _ in range(4)]

    started = [start(jobs, message) for message in reversed(many)]

    assert [claim[0].id for claim in started if claim] == [*reversed(many)]


def test_a_cancelled_job_is_cleaned_up_by_its_own_message(jobs: Jobs, other: Jobs) -> None:
    job, _ = jobs.submit()
    other.submit()
    claimed = start(jobs, job.id)
    assert claimed is not None

    again = start(jobs, claimed[0].id)  # a second message of one that runs starts the other
    assert again is not None
    assert again[0].id != claimed[0].id
    assert start(jobs, claimed[0].id) is None


def test_many_workers_start_each_job_once(jobs: Jobs, other: Jobs) -> None:
    for _ in range(10):
        jobs.submit()
        other.submit()
    sent = messages(jobs)

    with ThreadPoolExecutor(4) as pool:
        claims = [claim for claim in pool.map(lambda each: start(jobs, each), sent) if claim]

    started = [claim[0].id for claim in claims]
    assert len(started) == len(set(started))
    assert len(started) >= len(sent) - SLOTS  # the rest is sent again by the ticker
