"""Between an evaluation and the batch lane: choose the lane once, then take its batch a step."""

from collections.abc import Iterator

from service.catalogue.prices import CallPrice
from service.database import Sessions
from service.evaluation import batch_repository
from service.evaluation.batch_lane import BatchConfig, BatchWork, run_batch
from service.evaluation.lanes import Choice, Lane, LaneInputs, choose_lane
from service.evaluation.plan import EvaluationPlan
from service.evaluation.prediction_writer import PredictionWriter
from service.evaluation.request_stage import CallConfig, Rows, cache_lookup, missing_requests
from service.inference.ports import GenerationRequest
from service.jobs.ports import JobCancelled, JobRun, Waiting
from service.storage.ports import ObjectStore


def has_batch(evaluation_id: str, *, sessions: Sessions) -> bool:
    """Return whether a batch of the evaluation was sent, or was about to be."""
    with sessions.reading() as session:
        return batch_repository.find(session, evaluation_id) is not None


def ask_in_batch(
    run: JobRun,
    plan: EvaluationPlan,
    *,
    requests: int,
    sessions: Sessions,
    store: ObjectStore,
    calling: CallConfig,
    batching: BatchConfig,
) -> Waiting | None:
    """Take the batch of an evaluation a step further, where that is its lane.

    `requests` is how many have no answer yet. Returns None when the rest is to be asked online,
    which a cancelled run never comes to.
    Raises what `choose_lane` and `run_batch` raise, and Preempted.
    """
    price = _batch_price(plan, calling)
    lane = _lane(run, plan, requests, price, sessions=sessions, store=store, calling=calling)
    if lane is not Lane.BATCH:
        if run.cancelling:
            raise JobCancelled
        return None
    if not run.cancelling and not has_batch(plan.evaluation_id, sessions=sessions):
        cache_lookup(run, plan, whole=True, sessions=sessions, store=store, calling=calling)
    work = _work(run, plan, price, sessions=sessions, store=store, calling=calling)
    return run_batch(run, work, batching=batching, sessions=sessions)


def _lane(
    run: JobRun,
    plan: EvaluationPlan,
    requests: int,
    price: CallPrice | None,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: CallConfig,
) -> Lane:
    """Return the evaluation's lane; it is chosen when there first is something to ask."""
    with sessions.reading() as session:
        known = batch_repository.lane_of(session, plan.evaluation_id)
    if known or not requests:
        return Lane(known or Lane.ONLINE)
    choice = _choose(plan, requests, price, store=store, calling=calling)
    with run.fenced() as session:
        batch_repository.choose_lane(
            session, plan.evaluation_id, lane=choice.lane.value, reason=choice.reason
        )
    return choice.lane


def _choose(
    plan: EvaluationPlan,
    requests: int,
    price: CallPrice | None,
    *,
    store: ObjectStore,
    calling: CallConfig,
) -> Choice:
    serving = calling.catalogue.entry(plan.target.base_model).serving
    inputs = LaneInputs(
        base_model=plan.target.base_model,
        tuned=plan.target.tuned,
        has_batch=serving.batch_tuned if plan.target.tuned else serving.batch_base,
        requests=requests,
        deadline_hours=plan.spec.deadline_hours,
        storage=store.uri("batches"),
        online=plan.price,
        batch=price,
    )
    return choose_lane(plan.spec.lane, inputs)


def _work(
    run: JobRun,
    plan: EvaluationPlan,
    price: CallPrice | None,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: CallConfig,
) -> BatchWork:
    cache = calling.cache if plan.spec.cache else None
    writer = PredictionWriter(
        run, plan, price=price, budget_guard=None, cache=cache, lane=Lane.BATCH
    )

    def requests() -> Iterator[GenerationRequest]:
        rows = Rows(0, plan.rows)
        for _, missing in missing_requests(plan, rows, sessions=sessions, store=store):
            yield from missing

    return BatchWork(
        target=plan.target.name,
        location=plan.target.location,
        wanted=plan.spec.lane,
        deadline_hours=plan.spec.deadline_hours,
        price=price,
        requests=requests,
        keep=writer.keep,
    )


def _batch_price(plan: EvaluationPlan, calling: CallConfig) -> CallPrice | None:
    target = plan.target
    return calling.catalogue.price_of_calls(
        target.base_model, location=target.location, tuned=target.tuned, batch=True
    )
