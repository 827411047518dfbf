"""The cost ledger adds up, on both databases."""

from dataclasses import replace
from datetime import timedelta

from service.catalogue.prices import UsageTotals
from service.clock import utc_now
from service.database import Sessions
from service.inference.ledger import costs_of, record_usage, usage_of_project
from service.projects.operations import ensure_project
from tests.service.inference.budgeted_calls import write
from tests.support.usage import usage_of

USED = UsageTotals(
    requests=2,
    prompt_tokens=3_000_000_000,
    output_tokens=10,
    training_tokens=20,
    thinking_tokens=4,
    cached_tokens=7,
    known_nano=9_000_000_000_000,
)


def use(sessions: Sessions, project_id: str, job_id: str, used: UsageTotals = USED) -> None:
    with sessions.transaction() as session:
        record_usage(session, used, project_id=project_id, job_id=job_id, base_model="m")


def test_usage_is_summed_over_the_given_jobs(sessions: Sessions) -> None:
    project = ensure_project("team", sessions=sessions)
    first, second, other = (write(sessions, project) for _ in range(3))
    for job in (first, first, second, other):
        use(sessions, project, job)

    with sessions.reading() as session:
        assert usage_of(session, [first, second]) == USED + USED + USED


def test_a_part_without_a_price_leaves_the_sum_without_one(sessions: Sessions) -> None:
    project = ensure_project("team", sessions=sessions)
    job = write(sessions, project)
    use(sessions, project, job)
    use(sessions, project, job, replace(USED, known_nano=0, unpriced=("m",)))

    with sessions.reading() as session:
        used = usage_of(session, [job])
    assert used.cost_nano is None
    assert (used.known_nano, used.unpriced) == (USED.known_nano, ("m",))
    assert used.requests == 4


def test_jobs_without_usage_have_used_nothing(sessions: Sessions) -> None:
    with sessions.reading() as session:
        assert usage_of(session, []) == UsageTotals()
        assert usage_of(session, ["job_unknown"]) == UsageTotals()


def test_a_job_costs_what_all_jobs_below_it_do(sessions: Sessions) -> None:
    project = ensure_project("team", sessions=sessions)
    experiment = write(sessions, project)
    evaluation = write(sessions, project, parent_id=experiment)
    shards = [write(sessions, project, parent_id=evaluation) for _ in range(2)]
    for job in shards:
        use(sessions, project, job)

    with sessions.reading() as session:
        costs = costs_of(session, [experiment, evaluation, shards[0]])
    assert [cost["requests"] for cost in costs.values()] == [4, 4, 2]
    assert [cost["actual"] for cost in costs.values()] == ["18000.00", "18000.00", "9000.00"]


def test_a_projects_usage_is_its_own_and_of_the_given_days(sessions: Sessions) -> None:
    project, other = (ensure_project(name, sessions=sessions) for name in ("team", "other"))
    for owner in (project, project, other):
        use(sessions, owner, write(sessions, owner))
    today = utc_now().date()
    yesterday = today - timedelta(days=1)

    with sessions.reading() as session:
        now = usage_of_project(session, project, first=yesterday, last=today)
        before = usage_of_project(session, project, first=yesterday, last=yesterday)
    assert now == [(today, "m", USED + USED)]
    assert before == []
