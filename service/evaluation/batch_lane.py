"""The batch lane: an evaluation's requests go as one file, and their answers come as another."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from service.catalogue.prices import CallPrice
from service.clock import utc_now
from service.database import Session, Sessions, database_now
from service.errors import Forbidden, Invalid, NotFound, ProviderFailed
from service.evaluation import repository
from service.evaluation.lanes import Lane, LaneInputs, choose_lane
from service.evaluation.models import BatchRun
from service.evaluation.plan import EvaluationPlan
from service.evaluation.ports import BatchConfig, EvaluationServices
from service.evaluation.prediction_writer import PredictionWriter
from service.evaluation.request_stage import copy_cached_answers, missing_requests
from service.evaluation.results import evaluation_folder
from service.inference.batches.files import BatchAnswers, open_answers, request_lines
from service.inference.batches.ports import BatchOrder, BatchProvider
from service.inference.budget_guard import CostForecast, reserve_ahead
from service.inference.generators.messages import with_estimates
from service.inference.ports import ASKED_AGAIN, GenerationRequest, GenerationResult
from service.jobs.budgets import settle_ahead
from service.jobs.paid_operation_sweep import PolledTable
from service.jobs.paid_operations import OperationState, OperationStatus, advance
from service.jobs.ports import JobCancelled, JobRun, Waiting

CHUNK = 500
LONGEST_HOURS = 72 + 24 + 1  # Google queues a batch for 72 h and runs it for 24 h


@dataclass(frozen=True, slots=True)
class BatchWork:
    """What an evaluation still has to ask, and where its answers go.

    `requests` gives a fresh stream of what is not stored, in the same order each time; `keep`
    stores answers with their cost at `price`, the one of a batch.
    """

    target: str
    location: str
    requested: Lane
    deadline_hours: float | None
    price: CallPrice | None
    requests: Callable[[], Iterable[GenerationRequest]]
    keep: Callable[[Sequence[GenerationResult]], None]


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
        location=plan.target.location,
        requested=plan.spec.lane,
        deadline_hours=plan.spec.deadline_hours,
        price=price,
        requests=requests,
        keep=PredictionWriter(run, plan, price=price, lane=Lane.BATCH).write,
    )


def run_batch(
    run: JobRun, work: BatchWork, *, batching: BatchConfig, sessions: Sessions
) -> Waiting | None:
    """Take an evaluation's batch one step further: submit, wait, or store what came of it.

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
    batch = _Batch(run, work, batching, evaluation_id)
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


@dataclass(frozen=True, slots=True)
class _Batch:
    """An evaluation's batch as a paid operation; the label of its request is the evaluation."""

    run: JobRun
    work: BatchWork
    batching: BatchConfig
    evaluation_id: str

    @property
    def deadline(self) -> timedelta:
        hours = self.work.deadline_hours
        return timedelta(hours=LONGEST_HOURS if hours is None else hours)

    def connect(self) -> None:
        self.batching.provider().connect(self.work.location)

    def prepare(self) -> BatchRun:
        with TemporaryDirectory() as scratch:
            path = Path(scratch) / "requests.jsonl"
            count, estimate = self._write(path)
            folder = evaluation_folder(self.run.project_id, self.evaluation_id)
            key = f"{folder}/batches/{utc_now():%Y%m%dT%H%M%S%f}.jsonl"
            self.batching.store.put_file(key, path, content_type="application/jsonl")
        reserve_ahead(self.run, estimate, what="the batch")
        return BatchRun(evaluation_id=self.evaluation_id, input_key=key, requests=count)

    def _write(self, path: Path) -> tuple[int, int | None]:
        """Write the requests; return how many they are, and about what they will cost."""
        price = self.work.price
        forecast = CostForecast(price) if price else None
        count, nano = 0, 0
        with path.open("wb") as file:
            for chunk in _chunks(self.work.requests()):
                self.run.check()
                file.writelines(request_lines(chunk))
                count += len(chunk)
                nano += sum(map(forecast.cost_of, chunk)) if forecast else 0
        return count, nano if forecast else None

    def submit(self, row: BatchRun) -> str:
        order = BatchOrder(
            run_id=self.evaluation_id,
            model=self.work.target,
            location=self.work.location,
            input_uri=self.batching.store.uri(row.input_key),
            output_uri=self.batching.store.uri(row.input_key.rpartition("/")[0]),
            display_name=f"tunecurve-{self.evaluation_id}",
        )
        return self.batching.provider().submit(order)

    def find(self, _row: BatchRun) -> str | None:
        return self.batching.provider().find(self.evaluation_id, location=self.work.location)

    def cancel(self, row: BatchRun) -> None:
        self.batching.provider().cancel(row.resource_name or "")

    def release(self, session: Session, row: BatchRun) -> None:
        self._settle(session, row)

    def collect(self, row: BatchRun) -> None:
        """Store every answer of a batch that has ended, then settle what it has cost.

        A row that was refused by itself stays to be asked online.
        """
        if row.output_uri:
            with open_answers(self.batching.lines(row.output_uri)) as answers:
                self._store(answers)
        with self.run.fenced() as session:
            self._settle(session, session.merge(row))

    def _store(self, answers: BatchAnswers) -> None:
        synthetic = self.batching.provider().synthetic
        for chunk in _chunks(self.work.requests()):
            found = ((request, answers.find(request.key)) for request in chunk)
            batch = [
                GenerationResult(
                    request, with_estimates(replace(answer, synthetic=synthetic), request), 1
                )
                for request, answer in found
                if answer and answer.outcome not in ASKED_AGAIN
            ]
            if batch:
                self.work.keep(batch)

    def _settle(self, session: Session, row: BatchRun) -> None:
        """Write down what the batch has cost in place of what was held for it."""
        row.collected_at = database_now(session)
        spent = repository.spent_on(session, self.evaluation_id)
        settle_ahead(session, self.run.id, spent)
        if row.state == OperationState.FAILED and self.work.requested is Lane.AUTO:
            reason = f"the batch failed: {row.error or row.provider_state}"
            repository.set_lane(
                session, self.evaluation_id, lane=Lane.ONLINE.value, reason=reason[:500]
            )


def polled_batches(provider: Callable[[], BatchProvider]) -> PolledTable[BatchRun]:
    """Return how the sweep asks about batches; the provider is opened at the first one."""

    def poll(row: BatchRun) -> OperationStatus:
        reported = provider().poll(row.resource_name or "")
        return OperationStatus(
            reported.state,
            reported.provider_state,
            error={"message": reported.error} if reported.error else None,
            result={"output_uri": reported.output_uri},
        )

    def cancel(row: BatchRun) -> None:
        provider().cancel(row.resource_name or "")

    return PolledTable(BatchRun, poll, cancel)


def _chunks(requests: Iterable[GenerationRequest]) -> Iterator[list[GenerationRequest]]:
    stream = iter(requests)
    while chunk := list(islice(stream, CHUNK)):
        yield chunk
