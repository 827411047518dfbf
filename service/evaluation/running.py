"""Runs of `evaluate` and `ask` jobs: see that every row has an outcome, then score."""

from service.database import Session, Sessions
from service.datasets.operations import ready_dataset
from service.errors import Conflict
from service.evaluation import repository
from service.evaluation.asking import Calling, Rows, ask, recall_rows
from service.evaluation.batch_lane import Batching
from service.evaluation.batching import ask_in_batch, has_batch
from service.evaluation.completing import complete
from service.evaluation.models import Evaluation
from service.evaluation.ports import FindModel
from service.evaluation.reading import require_evaluation
from service.evaluation.requests import Brief, Target, shots_of
from service.evaluation.schemas import AskSpec, EvaluateSpec
from service.evaluation.sharding import Fleet, spread
from service.jobs.lifecycle import OPEN, Reason
from service.jobs.operations import job_states, stop_shards
from service.jobs.ports import JobCancelled, JobRun, Waiting
from service.storage.ports import ObjectStore

LOOK_AGAIN_SECONDS = 0.5  # at shares that wind down, in case that the last one's word is lost


def run_evaluate(
    run: JobRun,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: Calling,
    find_model: FindModel,
    fleet: Fleet,
    batching: Batching,
) -> Waiting | None:
    """Answer the rows that have no outcome yet, then score; a second run asks nothing again.

    A cancelled run stops its shares, and its batch at the provider; it ends after them, when it is
    known what they cost.
    """
    if run.cancelling:
        if stop_shards(run, kinds=fleet.kinds, sessions=sessions, task_queue=fleet.task_queue):
            return Waiting(Reason.CHILDREN, seconds=LOOK_AGAIN_SECONDS)
        if not has_batch(run.outputs["evaluation"], sessions=sessions):
            raise JobCancelled
    spec = EvaluateSpec.model_validate(run.spec)
    brief = _brief(
        run, spec, sessions=sessions, store=store, calling=calling, find_model=find_model
    )
    if brief is None:
        return None
    waiting = ask_in_batch(
        run,
        brief,
        requests=_missing(brief, sessions=sessions),
        sessions=sessions,
        store=store,
        calling=calling,
        batching=batching,
    ) or _ask_all(run, brief, sessions=sessions, store=store, calling=calling, fleet=fleet)
    if waiting is None:
        complete(run, brief, sessions=sessions, store=store)
    return waiting


def _ask_all(
    run: JobRun,
    brief: Brief,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: Calling,
    fleet: Fleet,
) -> Waiting | None:
    """See that every row has an outcome, here or in the shares of others."""
    if not _missing(brief, sessions=sessions):
        return None
    recall_rows(run, brief, sessions=sessions, store=store, calling=calling)
    missing = _missing(brief, sessions=sessions)
    if not missing:
        return None
    waiting = spread(run, brief, requests=missing, sessions=sessions, fleet=fleet)
    if waiting is not None:
        return waiting
    rows = Rows(0, brief.rows)
    return ask(run, brief, rows, sessions=sessions, store=store, calling=calling)


def run_ask(
    run: JobRun,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: Calling,
    find_model: FindModel,
) -> Waiting | None:
    """Answer a share of the rows of an evaluation; its `evaluate` job scores them."""
    share = AskSpec.model_validate(run.spec)
    brief = _brief(
        run, share.evaluate, sessions=sessions, store=store, calling=calling, find_model=find_model
    )
    if brief is None:
        return None
    rows = Rows(share.first, share.last)
    return ask(run, brief, rows, sessions=sessions, store=store, calling=calling)


def _brief(
    run: JobRun,
    spec: EvaluateSpec,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: Calling,
    find_model: FindModel,
) -> Brief | None:
    """Return what is to be asked; None when the evaluation is complete.

    Raises InputNotReady, and Conflict when the job that the evaluation belongs to has ended.
    """
    with sessions.reading() as session:
        row = require_evaluation(session, run.outputs["evaluation"], run.project_id)
        if row.ready_at is not None:
            return None
        dataset = ready_dataset(spec.dataset, project_id=run.project_id, session=session)
        target = _target(session, spec, row, run, find_model, location=calling.location)
    if job_states([row.job_id], sessions=sessions).get(row.job_id) not in OPEN:
        raise Conflict(f"{row.job_id} has ended", code="evaluation_ended")
    return Brief(
        evaluation_id=row.id,
        spec=spec,
        dataset=dataset,
        target=target,
        shots=shots_of(spec, dataset, store=store),
        price=calling.prices.of_calls(
            target.base_model, location=target.location, tuned=target.tuned
        ),
    )


def _target(
    session: Session,
    spec: EvaluateSpec,
    row: Evaluation,
    run: JobRun,
    find_model: FindModel,
    *,
    location: str,
) -> Target:
    if spec.model is None:
        return Target(name=row.base_model, base_model=row.base_model, location=location)
    model = find_model(spec.model, project_id=run.project_id, session=session)
    return Target(model.endpoint, model.base_model, model.location, tuned=True)


def _missing(brief: Brief, *, sessions: Sessions) -> int:
    with sessions.reading() as session:
        stored = repository.count_predictions(session, brief.evaluation_id)
    return brief.requests - stored
