"""One step of an `experiment` job: plan it, wait for its children, sum it up."""

from service.database import Sessions
from service.experiments import repository
from service.experiments.children import begin, wind_down
from service.experiments.queries import get_experiment, require_experiment
from service.experiments.summary import sum_up
from service.jobs.lifecycle import OPEN, Reason, State
from service.jobs.operations import (
    JobKinds,
    children_of,
    dispatch,
    refuse_if_used_up,
    require_ended,
)
from service.jobs.ports import (
    JobRun,
    Waiting,
)
from service.storage.ports import ObjectStore
from service.task_queue import TaskQueue


def run_experiment(
    run: JobRun,
    *,
    sessions: Sessions,
    store: ObjectStore,
    kinds: JobKinds,
    task_queue: TaskQueue,
) -> Waiting | None:
    """Take an experiment one step further: plan it, wait for its children, or sum it up."""
    with sessions.reading() as session:
        row = require_experiment(session, run.outputs["experiment"], run.project_id)
    if row.ready_at is not None:
        _require_budget(run, sessions=sessions)
        return None
    children = children_of(run.id, sessions=sessions)
    if run.cancelling:
        return wind_down(run, children, sessions=sessions, kinds=kinds, task_queue=task_queue)
    if not children:
        children = begin(run, row, kinds=kinds, sessions=sessions)
        dispatch(children, kinds=kinds, sessions=sessions, task_queue=task_queue)
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
