"""Runs of `evaluate` and `ask` jobs: see that every row has an outcome, then score."""

from service.database import Session, Sessions
from service.datasets.queries import ready_dataset
from service.errors import Conflict
from service.evaluation import repository
from service.evaluation.batch_lane import BatchConfig
from service.evaluation.batch_work import ask_in_batch, has_batch
from service.evaluation.models import Evaluation
from service.evaluation.plan import EvaluationPlan, Target, shots_of
from service.evaluation.ports import FindModel
from service.evaluation.queries import get_evaluation, require_evaluation
from service.evaluation.request_stage import CallConfig, Rows, ask, cache_lookup
from service.evaluation.results import complete
from service.evaluation.schemas import AskSpec, EvaluateSpec
from service.evaluation.sharding import ShardConfig, spread
from service.jobs.lifecycle import OPEN
from service.jobs.ports import JobCancelled, JobRun, Waiting
from service.jobs.queries import job_states, require_ended
from service.jobs.shards import stop_shards
from service.storage.ports import ObjectStore


def run_evaluate(
    run: JobRun,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: CallConfig,
    find_model: FindModel,
    fleet: ShardConfig,
    batching: BatchConfig,
) -> Waiting | None:
    """Answer the rows that have no outcome yet, then score; a second run asks nothing again.

    A cancelled run stops its shards, and its batch at the provider; it ends after them, when it is
    known what they cost.
    """
    if run.cancelling:
        waiting = stop_shards(run, services=fleet.jobs)
        if waiting is not None:
            return waiting
        if not has_batch(run.outputs["evaluation"], sessions=sessions):
            raise JobCancelled
    spec = EvaluateSpec.model_validate(run.spec)
    plan = _plan(run, spec, sessions=sessions, store=store, calling=calling, find_model=find_model)
    if plan is None:
        return None
    waiting = ask_in_batch(
        run,
        plan,
        requests=_missing(plan, sessions=sessions),
        sessions=sessions,
        store=store,
        calling=calling,
        batching=batching,
    ) or _ask_all(run, plan, sessions=sessions, store=store, calling=calling, fleet=fleet)
    if waiting is None:
        complete(run, plan, sessions=sessions, store=store)
    return waiting


def _ask_all(
    run: JobRun,
    plan: EvaluationPlan,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: CallConfig,
    fleet: ShardConfig,
) -> Waiting | None:
    """See that every row has an outcome, here or in the shards of others."""
    if not _missing(plan, sessions=sessions):
        return None
    cache_lookup(run, plan, sessions=sessions, store=store, calling=calling)
    missing = _missing(plan, sessions=sessions)
    if not missing:
        return None
    waiting = spread(run, plan, requests=missing, sessions=sessions, fleet=fleet)
    if waiting is not None:
        return waiting
    rows = Rows(0, plan.rows)
    return ask(run, plan, rows, sessions=sessions, store=store, calling=calling)


def run_ask(
    run: JobRun,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: CallConfig,
    find_model: FindModel,
) -> Waiting | None:
    """Answer a shard of the rows of an evaluation; its `evaluate` job scores them."""
    shard = AskSpec.model_validate(run.spec)
    plan = _plan(
        run, shard.evaluate, sessions=sessions, store=store, calling=calling, find_model=find_model
    )
    if plan is None:
        return None
    rows = Rows(shard.first, shard.last)
    return ask(run, plan, rows, sessions=sessions, store=store, calling=calling)


def _plan(
    run: JobRun,
    spec: EvaluateSpec,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: CallConfig,
    find_model: FindModel,
) -> EvaluationPlan | None:
    """Return what is to be asked; None when the evaluation is complete.

    Raises InputNotReady, and Conflict when the job that the evaluation belongs to has ended.
    """
    with sessions.reading() as session:
        row = require_evaluation(session, run.outputs["evaluation"], run.project_id)
        if row.ready_at is not None:
            return None
        dataset = ready_dataset(spec.dataset, project_id=run.project_id, session=session)
        target = _target(session, spec, row, run, find_model, calling)
    if job_states([row.job_id], sessions=sessions).get(row.job_id) not in OPEN:
        raise Conflict(f"{row.job_id} has ended", code="evaluation_ended")
    return EvaluationPlan(
        evaluation_id=row.id,
        spec=spec,
        dataset=dataset,
        target=target,
        shots=shots_of(spec, dataset, store=store),
        price=calling.catalogue.price_of_calls(
            target.base_model, location=target.location, tuned=target.tuned
        ),
    )


def _target(
    session: Session,
    spec: EvaluateSpec,
    row: Evaluation,
    run: JobRun,
    find_model: FindModel,
    calling: CallConfig,
) -> Target:
    if spec.model is None:
        base, settings = row.base_model, calling.catalogue.entry(row.base_model).call_settings
        return Target(base, base, calling.location, settings=settings)
    model = find_model(spec.model, project_id=run.project_id, session=session)
    settings = calling.catalogue.entry(model.base_model).call_settings
    return Target(model.endpoint, model.base_model, model.location, tuned=True, settings=settings)


def _missing(plan: EvaluationPlan, *, sessions: Sessions) -> int:
    with sessions.reading() as session:
        stored = repository.count_predictions(session, plan.evaluation_id)
    return plan.requests - stored


def delete_evaluation(evaluation_id: str, *, project_id: str, sessions: Sessions) -> None:
    """Delete an evaluation with its predictions and scores.

    Raises NotFound, and Conflict `not_ready` while its job may still write.
    """
    row, _ = get_evaluation(evaluation_id, project_id=project_id, sessions=sessions)
    if row.ready_at is None:
        require_ended(row.job_id, sessions=sessions)
    with sessions.transaction() as session:
        if not repository.remove(session, row.id):
            raise Conflict(f"{evaluation_id} belongs to an experiment", code="in_use")
