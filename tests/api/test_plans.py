"""The plan that a dry run answers: made once, from what would be written, and nothing is kept."""

from dataclasses import replace

from sqlalchemy import func, select

from api.plans import plan_of
from service.database import Session, Sessions
from service.jobs.models import Job
from service.jobs.operations import Request
from service.jobs.ports import Estimate, Submission
from tests.service.jobs.conftest import KINDS, CountSpec
from tests.support.runs import add_project


def test_a_dry_run_estimates_once_and_writes_nothing(sessions: Sessions) -> None:
    estimated: list[str] = []

    def estimate(_session: Session, submission: Submission) -> Estimate:
        estimated.append(submission.id)
        return Estimate(requests=7, cost_nano=2_000_000_000)

    kinds = {"count": replace(KINDS["count"], estimate=estimate)}
    request = Request("count", CountSpec(), {}, add_project(sessions))
    plan = plan_of(request, kinds=kinds, sessions=sessions)
    assert len(estimated) == 1
    assert plan.estimate.requests == 7
    assert plan.cost
    assert plan.cost.amount.startswith("2")
    with sessions.reading() as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 0
