"""Between an evaluation and the batch lane: choose the lane once, then take its batch a step."""

from collections.abc import Iterator

from service.database import Sessions
from service.evaluation import batch_repository
from service.evaluation.asking import Calling, Rows, missing_requests, recall_rows
from service.evaluation.batch_lane import Batching, Errands, run_batch
from service.evaluation.lanes import Choice, Errand, Lane, choose_lane
from service.evaluation.requests import Brief
from service.evaluation.storing import Keeping
from service.inference.ports import GenerationRequest
from service.inference.prices import CallPrice
from service.jobs.ports import JobCancelled, JobRun, Waiting
from service.storage.ports import ObjectStore


def has_batch(evaluation_id: str, *, sessions: Sessions) -> bool:
    """Return whether a batch of the evaluation was sent, or was about to be."""
    with sessions.reading() as session:
        return batch_repository.find(session, evaluation_id) is not None


def ask_in_batch(
    run: JobRun,
    brief: Brief,
    *,
    requests: int,
    sessions: Sessions,
    store: ObjectStore,
    calling: Calling,
    batching: Batching,
) -> Waiting | None:
    """Take the batch of an evaluation a step further, where that is its lane.

    `requests` is how many have no answer yet. Returns None when the rest is to be asked online,
    which a cancelled run never comes to.
    Raises what `choose_lane` and `run_batch` raise, and Preempted.
    """
    price = _batch_price(brief, calling)
    if _lane(run, brief, requests, price, sessions=sessions, store=store) is not Lane.BATCH:
        if run.cancelling:
            raise JobCancelled
        return None
    if not run.cancelling and not has_batch(brief.evaluation_id, sessions=sessions):
        recall_rows(run, brief, whole=True, sessions=sessions, store=store, calling=calling)
    errands = _errands(run, brief, price, sessions=sessions, store=store, calling=calling)
    return run_batch(run, errands, batching=batching, sessions=sessions)


def _lane(
    run: JobRun,
    brief: Brief,
    requests: int,
    price: CallPrice | None,
    *,
    sessions: Sessions,
    store: ObjectStore,
) -> Lane:
    """Return the evaluation's lane; it is chosen when there first is something to ask."""
    with sessions.reading() as session:
        known = batch_repository.lane_of(session, brief.evaluation_id)
    if known or not requests:
        return Lane(known or Lane.ONLINE)
    choice = _choose(brief, requests, price, store=store)
    with run.fenced() as session:
        batch_repository.choose_lane(
            session, brief.evaluation_id, lane=choice.lane.value, reason=choice.reason
        )
    return choice.lane


def _choose(brief: Brief, requests: int, price: CallPrice | None, *, store: ObjectStore) -> Choice:
    errand = Errand(
        base_model=brief.target.base_model,
        tuned=brief.target.tuned,
        requests=requests,
        deadline_hours=brief.spec.deadline_hours,
        storage=store.uri("batches"),
        online=brief.price,
        batch=price,
    )
    return choose_lane(brief.spec.lane, errand)


def _errands(
    run: JobRun,
    brief: Brief,
    price: CallPrice | None,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: Calling,
) -> Errands:
    cache = calling.cache if brief.spec.cache else None
    keeping = Keeping(run, brief, price=price, purse=None, cache=cache, lane=Lane.BATCH)

    def requests() -> Iterator[GenerationRequest]:
        rows = Rows(0, brief.rows)
        for _, missing in missing_requests(brief, rows, sessions=sessions, store=store):
            yield from missing

    return Errands(
        target=brief.target.name,
        location=brief.target.location,
        wanted=brief.spec.lane,
        deadline_hours=brief.spec.deadline_hours,
        price=price,
        requests=requests,
        keep=keeping.keep,
    )


def _batch_price(brief: Brief, calling: Calling) -> CallPrice | None:
    target = brief.target
    return calling.prices.of_calls(
        target.base_model, location=target.location, tuned=target.tuned, batch=True
    )
