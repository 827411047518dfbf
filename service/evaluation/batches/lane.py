"""The batch lane: an evaluation's requests go as one file, and their answers come as another."""

from collections.abc import Iterator

from service.catalogue.prices import CallPrice
from service.database import Sessions
from service.errors import Forbidden, Invalid, NotFound, ProviderFailed
from service.evaluation import repository
from service.evaluation.batches.operation import BatchOperation, BatchWork
from service.evaluation.lanes import Lane, LaneInputs, choose_lane
from service.evaluation.models import BatchRun
from service.evaluation.plans.plan import EvaluationPlan
from service.evaluation.ports import BatchConfig, EvaluationServices
from service.evaluation.stages.prediction_writer import PredictionWriter
from service.evaluation.stages.requests import copy_cached_answers, missing_requests
from service.inference.ports import GenerationRequest
from service.jobs.paid_operations.operations import advance
from service.jobs.paid_operations.states import OperationState
from service.jobs.ports import JobCancelled, JobRun, Waiting


def has_batch(evaluation_id: str, *, sessions: Sessions) -> bool:
    """Return whether a batch of the evaluation was sent, or was about to be."""
    with sessions.reading() as session:
        return repository.find_batch(session, evaluation_id) is not None


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
        known = repository.lane_of(session, plan.evaluation_id)
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
        repository.set_lane(
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
        base_model=plan.target.base_model,
        location=plan.target.location,
        requested=plan.spec.lane,
        deadline_hours=plan.spec.deadline_hours,
        price=price,
        requests=requests,
        keep=PredictionWriter(
            run, plan, price=price, sessions=services.sessions, lane=Lane.BATCH
        ).write,
    )


def run_batch(
    run: JobRun, work: BatchWork, *, batching: BatchConfig, sessions: Sessions
) -> Waiting | None:
    """Take an evaluation's batch one step further: submit, wait, or store its answers.

    Returns None once the batch is over: what has no answer then is asked online. A batch is sent
    at most once, whatever dies on the way. A cancelled run stops it at the provider, keeps what
    was answered and paid for, and raises JobCancelled.

    When the provider refuses or fails the whole batch, an evaluation that asked for this lane
    raises the provider's words; one in lane `auto` goes online and says so in `lane_reason`.
    """
    evaluation_id = run.outputs["evaluation"]
    is_new = not (run.cancelling or has_batch(evaluation_id, sessions=sessions))
    if is_new and next(iter(work.requests()), None) is None:
        return None
    batch = BatchOperation(run, work, batching, evaluation_id)
    try:
        row = advance(run, batch, table=BatchRun, pace=batching.pace, sessions=sessions)
    except (Invalid, Forbidden, NotFound):
        if work.requested is Lane.BATCH or not _is_collected(evaluation_id, sessions=sessions):
            raise
        return None
    if isinstance(row, Waiting):
        return row
    if row.collected_at is None:
        batch.collect(row)
    _leave(run, work, row)
    return None


def _is_collected(evaluation_id: str, *, sessions: Sessions) -> bool:
    with sessions.reading() as session:
        row = repository.find_batch(session, evaluation_id)
        return row is not None and row.collected_at is not None


def _leave(run: JobRun, work: BatchWork, row: BatchRun) -> None:
    """After the end: raise what it ended with, or let the rest be asked online."""
    if run.cancelling:
        raise JobCancelled
    if row.state == OperationState.FAILED and work.requested is Lane.BATCH:
        words = row.error or row.provider_state
        raise ProviderFailed(f"the provider's batch failed: {words}")
