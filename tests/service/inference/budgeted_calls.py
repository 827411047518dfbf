"""Jobs of one family with a budget, claimed by workers, and answers that cost money."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.catalogue.prices import CallPrice
from service.database import Sessions
from service.ids import Prefix, new_id
from service.inference.budget_guard import JobBudgetGuard
from service.inference.ledger import record_calls
from service.inference.operations import loop_thread
from service.inference.ports import Generation, GenerationRequest, GenerationResult, Outcome, Turn
from service.jobs.claims import claim_job
from service.jobs.leases import LeasedRun
from service.jobs.models import Job
from service.jobs.operations import write_job
from service.jobs.ports import JobKind, Submission
from tests.service.jobs.conftest import KINDS, CountSpec

KIND: JobKind = KINDS["count"]
PRICE = CallPrice(input=1_000_000, output=1_000_000, cached_input=1_000_000)  # 1,000 nano a token
CALL_TOKENS = 100  # prompt and output of each call, as the provider bills them
CALL_NANO = CALL_TOKENS * 1000


def request(key: str) -> GenerationRequest:
    return GenerationRequest(
        key=key,
        target="m",
        base_model="m",
        location="global",
        contents=(Turn("user", "x" * 4 * 60),),
        max_output_tokens=40,
    )


def answer(sent: GenerationRequest) -> GenerationResult:
    generation = Generation(Outcome.OK, text="a", prompt_tokens=60, output_tokens=40)
    return GenerationResult(sent, generation, attempts=1)


@dataclass
class Family:
    """A submitted job with a budget, and children that spend it."""

    sessions: Sessions
    project_id: str
    root_id: str

    def child(self) -> str:
        return write(self.sessions, self.project_id, parent_id=self.root_id)

    def run(self, job_id: str, *, lease_seconds: float = 30) -> LeasedRun:
        claimed = claim_job(
            job_id, sessions=self.sessions, lease_seconds=lease_seconds, attempts_limit=5
        )
        assert claimed is not None
        job, token = claimed
        return LeasedRun(job, token, sessions=self.sessions, lease_seconds=lease_seconds)


def write(
    sessions: Sessions,
    project_id: str,
    *,
    parent_id: str | None = None,
    budget_nano: int | None = None,
) -> str:
    submission = Submission(
        id=new_id(Prefix.JOB),
        project_id=project_id,
        kind=KIND.name,
        spec=CountSpec(),
        outputs={},
        parent_id=parent_id,
        budget_nano=budget_nano,
    )
    with sessions.transaction() as session:
        return write_job(session, submission, kind=KIND)[0].id


@dataclass
class Spender:
    """Makes calls as a worker does: reserves, is answered, stores; counts what it has made."""

    family: Family
    run: LeasedRun
    budget_guard: JobBudgetGuard
    made: list[str] = field(default_factory=list)

    def spend(self, calls: int, *, at_once: int = 8) -> None:
        """Make calls until they are made or the budget_guard refuses one; raises what it raises."""
        loop_thread().run(self._spend(calls, at_once))

    async def _spend(self, calls: int, at_once: int) -> None:
        keys = (f"{self.run.id}-{number}" for number in itertools.count(len(self.made)))
        wanted = list(itertools.islice(keys, calls))
        lanes = [self._lane(wanted[lane::at_once]) for lane in range(at_once)]
        ended = await asyncio.gather(*lanes, return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _lane(self, keys: Sequence[str]) -> None:
        for key in keys:
            sent = request(key)
            await self.budget_guard.reserve(sent)
            self.made.append(key)
            await asyncio.sleep(0)
            await asyncio.to_thread(self.store, [answer(sent)])

    def store(self, batch: Sequence[GenerationResult]) -> None:
        with self.run.fenced() as session:
            record_calls(
                session,
                batch,
                project_id=self.run.project_id,
                job_id=self.run.id,
                base_model="m",
                price=PRICE,
                budget_guard=self.budget_guard,
            )


def cost_column(sessions: Sessions, job_id: str) -> dict[str, object]:
    with sessions.reading() as session:
        return dict(session.get_one(Job, job_id).cost)
