"""The way into the batch lane: the lane is chosen once, then the batch is taken a step further."""

from collections.abc import Iterator

from service.catalogue.prices import CallPrice
from service.database import Sessions
from service.evaluation import batch_repository
from service.evaluation.batch_lane import BatchWork, run_batch
from service.evaluation.lanes import Lane, LaneInputs, choose_lane
from service.evaluation.plan import EvaluationPlan
from service.evaluation.ports import EvaluationServices
from service.evaluation.prediction_writer import PredictionWriter
from service.evaluation.request_stage import copy_cached_answers, missing_requests
from service.inference.ports import GenerationRequest
from service.jobs.ports import JobCancelled, JobRun, Waiting


def has_batch(evaluation_id: str, *, sessions: Sessions) -> bool:
    """Return whether a batch of the evaluation was sent, or was about to be."""
    with sessions.reading() as session:
        return batch_repository.find(session, evaluation_id) is not None


def run_batch_lane(
    run: JobRun, plan: EvaluationPlan, *, requests: int, services: EvaluationServices
) -> Waiting | None:
    """Take the batch of an evaluation a step further, where that is its lane.

    `requests` is how many have no answer yet. Returns None when the rest is to be sent online,
    which a cancelled run never does.
    Raises what `choose_lane` and `run_batch` raise, and Preempted.
    """
    price = services.calls.catalogue.price_of_calls(
        plan.target.base_model,
        location=plan.target.location,
        tuned=plan.target.tuned,
        batch=True,
    )
    if _lane(run, plan, requests, price, services=services) is not Lane.BATCH:
        if run.cancelling:
            raise JobCancelled
        return None
    if not run.cancelling and not has_batch(plan.evaluation_id, sessions=services.sessions):
        copy_cached_answers(run, plan, services=services, whole=True)
    work = _work(run, plan, price, services=services)
    return run_batch(run, work, batching=services.batches, sessions=services.sessions)


def _lane(
    run: JobRun,
    plan: EvaluationPlan,
    requests: int,
    price: CallPrice | None,
    *,
    services: EvaluationServices,
) -> Lane:
    """Return the evaluation's lane; it is chosen when there first are requests to send."""
    with services.sessions.reading() as session:
        known = batch_repository.lane_of(session, plan.evaluation_id)
    if known or not requests:
        return Lane(known or Lane.ONLINE)
    serving = services.calls.catalogue.entry(plan.target.base_model).serving
    inputs = LaneInputs(
        base_model=plan.target.base_model,
        tuned=plan.target.tuned,
        has_batch=serving.batch_tuned if plan.target.tuned else serving.batch_base,
        requests=requests,
        deadline_hours=plan.spec.deadline_hours,
        storage=services.store.uri("batches"),
        online=plan.price,
        batch=price,
    )
    choice = choose_lane(plan.spec.lane, inputs)
    with run.fenced() as session:
        batch_repository.choose_lane(
            session, plan.evaluation_id, lane=choice.lane.value, reason=choice.reason
        )
    return choice.lane


def _work(
    run: JobRun, plan: EvaluationPlan, price: CallPrice | None, *, services: EvaluationServices
) -> BatchWork:
    def requests() -> Iterator[GenerationRequest]:
        for _, missing in missing_requests(plan, range(plan.rows), services=services):
            yield from missing

    return BatchWork(
        target=plan.target.name,
        location=plan.target.location,
        wanted=plan.spec.lane,
        deadline_hours=plan.spec.deadline_hours,
        price=price,
        requests=requests,
        keep=PredictionWriter(run, plan, price=price, lane=Lane.BATCH).write,
    )
