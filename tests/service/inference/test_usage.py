"""The cost ledger adds up, on both databases."""

from service.clock import utc_now
from service.database import Session, Sessions
from service.ids import Prefix, new_id
from service.inference.operations import UsageTotals, record_usage, usage_of
from service.jobs.models import Job
from service.projects.models import Project


def add_project(session: Session) -> str:
    project = Project(id=new_id(Prefix.PROJECT), name="team", created_at=utc_now())
    session.add(project)
    session.flush()
    return project.id


def add_job(session: Session, project_id: str) -> str:
    job = Job(
        id=new_id(Prefix.JOB),
        project_id=project_id,
        kind="evaluate",
        state="running",
        spec={},
        outputs={},
        labels={},
        progress={},
        cost={},
        created_at=utc_now(),
        updated_at=utc_now(),
    )
    session.add(job)
    session.flush()
    return job.id


def test_usage_is_summed_over_the_jobs_asked_for(sessions: Sessions) -> None:
    with sessions.transaction() as session:
        project = add_project(session)
        first, second, other = (add_job(session, project) for _ in range(3))
        for job, tokens in ((first, 10), (first, 5), (second, 1), (other, 999)):
            record_usage(
                session,
                project_id=project,
                job_id=job,
                base_model="gemini-2.5-flash",
                requests=2,
                prompt_tokens=3_000_000_000,
                output_tokens=tokens,
                training_tokens=tokens * 2,
            )
    with sessions.reading() as session:
        totals = usage_of(session, [first, second])
    assert totals == UsageTotals(
        requests=6, prompt_tokens=9_000_000_000, output_tokens=16, training_tokens=32
    )


def test_jobs_without_usage_have_used_nothing(sessions: Sessions) -> None:
    with sessions.reading() as session:
        assert usage_of(session, []) == UsageTotals()
        assert usage_of(session, ["job_unknown"]) == UsageTotals()
