"""Failed rows are asked again, and only they; a call that lasts may be hedged by its job."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.errors import Conflict
from service.evaluation.models import Evaluation
from service.evaluation.retries import retry_evaluation
from service.inference.ledger import cost_of_job
from service.inference.ports import Generation, GenerationRequest
from service.inference.retry import CallFailed, Refusal
from service.jobs.lifecycle import State
from service.jobs.models import Job
from service.jobs.ports import JobRecord, JobServices
from tests.service.evaluation.conftest import ROWS, Oracle, Room
from tests.support.runs import MemoryRun
from tests.support.task_messages import MemoryTaskQueue

FAILING = 7


@dataclass
class Flaky(Oracle):
    """Fails for the first rows it is asked about, whatever the try, until it is well."""

    failing: set[str] = field(default_factory=set)
    is_well: bool = False

    async def generate(self, request: GenerationRequest) -> Generation:
        if not self.is_well and (len(self.failing) < FAILING or request.key in self.failing):
            self.failing.add(request.key)
            raise CallFailed(Refusal.TRANSIENT, "out of order", status=500)
        return await super().generate(request)


@dataclass
class Hanging(Oracle):
    """Answers its first request only once that is asked a second time."""

    asked_again: asyncio.Event = field(default_factory=asyncio.Event)

    async def generate(self, request: GenerationRequest) -> Generation:
        if self.asked and request.key == self.asked[0].key:
            self.asked_again.set()
        is_first = not self.asked
        answer = await super().generate(request)
        if is_first:
            await self.asked_again.wait()
        return answer


def retry(room: Room, evaluation: Evaluation, **more: Any) -> JobRecord:
    return retry_evaluation(
        evaluation.id,
        project_id=room.project_id,
        labels={},
        budget_nano=None,
        request_id=None,
        services=JobServices(room.services.kinds, room.sessions, MemoryTaskQueue()),
        open_jobs_limit=8,
        **more,
    )


def end(room: Room, job_id: str, state: State = State.SUCCEEDED) -> None:
    with room.sessions.transaction() as session:
        session.get_one(Job, job_id).state = state.value


def run_of(room: Room, job: JobRecord) -> MemoryRun:
    return MemoryRun(job.id, job.project_id, job.spec, job.outputs, room.sessions)


def failed(room: Room, *, state: State = State.SUCCEEDED) -> Evaluation:
    """Return an evaluation that has ended with some failed rows."""
    room.oracle = Flaky()
    run = room.reserve(cache=False)
    evaluation = room.evaluate(run)
    end(room, run.id, state)
    assert evaluation.outcomes == {"ok": ROWS - FAILING, "failed": FAILING}
    return evaluation


def test_a_retry_asks_the_failed_rows_and_no_other(room: Room) -> None:
    evaluation = failed(room)
    assert isinstance(room.oracle, Flaky)
    room.oracle.is_well, room.oracle.asked = True, []

    job = retry(room, evaluation)
    again = room.evaluate(run_of(room, job))

    assert again.id == evaluation.id
    assert {request.key for request in room.oracle.asked} == room.oracle.failing
    assert again.outcomes == {"ok": ROWS}
    assert len(room.table(again)) == ROWS
    with room.sessions.reading() as session:
        assert cost_of_job(session, job.id)["requests"] == FAILING


def test_rows_that_fail_again_can_be_asked_once_more(room: Room) -> None:
    evaluation = failed(room)
    job = retry(room, evaluation)
    again = room.evaluate(run_of(room, job))
    assert again.outcomes == evaluation.outcomes
    end(room, job.id, State.CANCELLED)
    assert retry(room, again).id != job.id


def test_there_is_no_retry_while_a_job_of_the_evaluation_runs(room: Room) -> None:
    evaluation = failed(room, state=State.RUNNING)
    with pytest.raises(Conflict) as caught:
        retry(room, evaluation)
    assert caught.value.code == "not_ready"


def test_without_a_failed_row_there_is_nothing_to_ask(room: Room) -> None:
    run = room.reserve()
    evaluation = room.evaluate(run)
    end(room, run.id)
    with pytest.raises(Conflict, match=r"no row of .* has failed") as caught:
        retry(room, evaluation)
    assert caught.value.code == "nothing_to_retry"
    with room.sessions.reading() as session:
        kept = session.get_one(Evaluation, evaluation.id)
    assert (kept.job_id, kept.ready_at) == (run.id, evaluation.ready_at)


def test_a_job_may_have_a_call_that_lasts_sent_a_second_time_and_tells_so(room: Room) -> None:
    room.oracle = Hanging()
    run = room.reserve(hedge=True, samples=3, temperature=0.5)
    evaluation = room.evaluate(run)
    assert evaluation.outcomes == {"ok": ROWS}
    assert len(room.oracle.asked) == 3 * ROWS + 1
    with room.sessions.reading() as session:
        cost = cost_of_job(session, run.id)
    assert (cost["requests"], cost["hedged"]) == (3 * ROWS, 1)
