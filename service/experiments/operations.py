"""One step of an `experiment` job: plan it, wait for its children, sum it up."""

from collections.abc import Sequence

from service.database import Sessions
from service.experiments import repository
from service.experiments.children import begin
from service.experiments.queries import get_experiment, require_experiment
from service.experiments.summary import sum_up
from service.jobs.budgets import refuse_if_used_up
from service.jobs.dispatch import dispatch
from service.jobs.lifecycle import OPEN, Reason, State
from service.jobs.ports import JobCancelled, JobRecord, JobRun, JobServices, Waiting
from service.jobs.queries import children_of, require_ended
from service.jobs.shards import stop_shards
from service.storage.ports import ObjectStore


def run_experiment(
    run: JobRun,
    *,
    sessions: Sessions,
    store: ObjectStore,
    jobs: JobServices,
) -> Waiting | None:
    """Take an experiment one step further: plan it, wait for its children, or sum it up."""
    with sessions.reading() as session:
        row = require_experiment(session, run.outputs["experiment"], run.project_id)
    if row.ready_at is not None:
        _require_budget(run, sessions=sessions)
        return None
    if run.cancelling:
        waiting = stop_shards(run, services=jobs)
        if waiting is None:
            raise JobCancelled
        return waiting
    children: Sequence[JobRecord] = children_of(run.id, sessions=sessions)
    if not children:
        children = begin(run, row, kinds=jobs.kinds, sessions=sessions)
        dispatch(children, services=jobs)
    ended = sum(State(child.state) not in OPEN for child in children)
    run.report(ended, len(children), unit="jobs", stage="children")
    if ended < len(children):
        return Waiting(Reason.CHILDREN)
    try:
        sum_up(run, row, children, sessions=sessions, store=store)
    finally:  # where there is nothing to sum up, the budget is the better reason
        _require_budget(run, sessions=sessions)
    return None


def _require_budget(run: JobRun, *, sessions: Sessions) -> None:
    """Raise BudgetExhausted when the budget has cut the work short; the summary stays."""
    with sessions.transaction() as session:
        refuse_if_used_up(session, run.id)


def delete_experiment(experiment_id: str, *, project_id: str, sessions: Sessions) -> None:
    """Delete an experiment; its dataset, models and evaluations stay.

    Raises NotFound, and Conflict `not_ready` while its job may still write.
    """
    row, _ = get_experiment(experiment_id, project_id=project_id, sessions=sessions)
    if row.ready_at is None:
        require_ended(row.job_id, sessions=sessions)
    with sessions.transaction() as session:
        repository.delete(session, require_experiment(session, experiment_id, project_id))
