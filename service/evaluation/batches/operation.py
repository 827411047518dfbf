"""An evaluation's batch as a paid operation: written, sent, seen through, collected and settled."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

import structlog

from service.catalogue.locations import location_of, place_of
from service.catalogue.prices import CallPrice, UsageTotals
from service.clock import utc_now
from service.database import Session, database_now
from service.errors import Invalid
from service.evaluation import repository
from service.evaluation.lanes import Lane
from service.evaluation.models import BatchRun
from service.evaluation.ports import BatchConfig
from service.evaluation.results import evaluation_folder
from service.inference.batches.files import (
    BatchAnswers,
    open_answers,
    output_lines,
    request_lines,
)
from service.inference.batches.ports import BatchOrder, BatchProvider
from service.inference.budget_guard import CostForecast, reserve_ahead
from service.inference.generators.messages import with_estimates
from service.inference.ledger import record_usage, usage_of_calls
from service.inference.ports import ASKED_AGAIN, GenerationRequest, GenerationResult
from service.jobs.budgets import settle_ahead
from service.jobs.paid_operations.polls import PolledTable
from service.jobs.paid_operations.states import FoundOperation, OperationState, OperationStatus
from service.jobs.ports import JobRun
from service.storage.object_keys import project_of_key
from service.storage.ports import ObjectStore
from service.storage.staged_inputs import StagedInputs
from service.work_folders import work_folder

CHUNK = 500
log = structlog.get_logger()
LONGEST_HOURS = 72 + 24 + 1  # Google queues a batch for 72 h and runs it for 24 h
_NOTHING_USED = UsageTotals()


@dataclass(frozen=True, slots=True)
class BatchWork:
    """What an evaluation still has to ask, and where its answers go.

    `requests` gives a fresh stream of what is not stored, in the same order each time; `keep`
    stores answers with their cost at `price`, the one of a batch.
    """

    target: str
    base_model: str
    location: str
    requested: Lane
    deadline_hours: float | None
    price: CallPrice | None
    requests: Callable[[], Iterable[GenerationRequest]]
    keep: Callable[[Sequence[GenerationResult]], None]


@dataclass(frozen=True, slots=True)
class BatchOperation:
    """An evaluation's batch as a paid operation; the label of its request is the evaluation."""

    run: JobRun
    work: BatchWork
    batching: BatchConfig
    evaluation_id: str

    @property
    def provider(self) -> BatchProvider:
        return self.batching.provider(self.run.project_id)

    @property
    def deadline(self) -> timedelta:
        hours = self.work.deadline_hours
        return timedelta(hours=LONGEST_HOURS if hours is None else hours)

    def connect(self) -> None:
        self.provider.connect(self.work.location)

    def prepare(self) -> BatchRun:
        with work_folder() as scratch:
            path = scratch / "requests.jsonl"
            count, estimate = self._write(path)
            folder = evaluation_folder(self.run.project_id, self.evaluation_id)
            key = f"{folder}/batches/{utc_now():%Y%m%dT%H%M%S%f}.jsonl"
            self.batching.store.put_file(key, path, content_type="application/jsonl")
        reserve_ahead(self.run, estimate, what="the batch")
        return BatchRun(
            evaluation_id=self.evaluation_id,
            input_key=key,
            requests=count,
            location=self.work.location,
        )

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

    def staged(self, row: BatchRun) -> StagedInputs:
        return _staged(row, lambda: self.batching.store)

    def stage(self, row: BatchRun) -> Sequence[str]:
        return self.staged(row).stage([row.input_key])

    def submit(self, row: BatchRun, inputs: Sequence[str]) -> str:
        order = BatchOrder(
            run_id=self.evaluation_id,
            model=self.work.target,
            location=self.work.location,
            input_uri=inputs[0],
            output_uri=self.batching.store.uri(row.input_key.rpartition("/")[0]),
            display_name=f"tunecurve-{self.evaluation_id}",
        )
        return self.provider.submit(order)

    @property
    def most_open(self) -> None:
        return None

    def find(self, _row: BatchRun) -> Sequence[FoundOperation]:
        return self.provider.find(self.evaluation_id, location=self.work.location)

    def cancel(self, resource_name: str) -> None:
        self.provider.cancel(resource_name)

    def release(self, session: Session, row: BatchRun) -> None:
        self._settle(session, row)

    def collect(self, row: BatchRun) -> None:
        """Store every answer of a batch that has ended, then settle what it has cost.

        A row that was refused by itself stays to be asked online, and so does one whose answer
        says nothing, which was billed: it enters the cost ledger once, with the end of the batch.
        What of the output cannot be read is told in the evaluation's `lane_reason`.
        """
        discarded, unreadable = UsageTotals(), list[Invalid]()
        if row.output_uri:
            files = self.batching.outputs(self.run.project_id, row.output_uri)
            with open_answers(output_lines(files, on_unreadable=unreadable.append)) as answers:
                discarded = self._store(answers)
        with self.run.fenced() as session:
            self._settle(session, session.merge(row), discarded)
            if unreadable:
                self._tell(session, unreadable)

    def _tell(self, session: Session, unreadable: Sequence[Invalid]) -> None:
        files, first = len(unreadable), unreadable[0]
        told = f"files of the batch that could not be read: {files} ({first})"
        repository.add_lane_reason(session, self.evaluation_id, told)
        log.warning("batch_output_unreadable", files=files, code=first.code)

    def _store(self, answers: BatchAnswers) -> UsageTotals:
        """Store what was answered; return the usage of the answers that say nothing."""
        discarded = UsageTotals()
        for chunk in _chunks(self.work.requests()):
            results = list(self._results(chunk, answers))
            if kept := [each for each in results if each.generation.outcome not in ASKED_AGAIN]:
                self.work.keep(kept)
            if unsaid := [each for each in results if each.generation.outcome in ASKED_AGAIN]:
                discarded += usage_of_calls(
                    unsaid, base_model=self.work.base_model, price=self.work.price
                )
        return discarded

    def _results(
        self, requests: Iterable[GenerationRequest], answers: BatchAnswers
    ) -> Iterator[GenerationResult]:
        synthetic = self.provider.synthetic
        for request in requests:
            if answer := answers.find(request.key):
                generation = with_estimates(replace(answer, synthetic=synthetic), request)
                yield GenerationResult(request, generation, 1)

    def _settle(
        self, session: Session, row: BatchRun, discarded: UsageTotals = _NOTHING_USED
    ) -> None:
        """Write down what the batch has cost in place of what was held for it."""
        row.collected_at = database_now(session)
        if discarded.requests:
            record_usage(
                session,
                discarded,
                project_id=self.run.project_id,
                job_id=self.run.id,
                base_model=self.work.base_model,
                lane=Lane.BATCH.value,
            )
        spent = repository.spent_on(session, self.evaluation_id) + discarded.known_nano
        settle_ahead(session, self.run.id, spent)
        if row.state == OperationState.FAILED and self.work.requested is Lane.AUTO:
            reason = f"the batch failed: {row.error or row.provider_state}"
            repository.set_lane(
                session, self.evaluation_id, lane=Lane.ONLINE.value, reason=reason[:500]
            )


def _staged(row: BatchRun, store: Callable[[], ObjectStore]) -> StagedInputs:
    """Return the copies of a batch's requests: in a folder beside them."""
    return StagedInputs(store, row.input_key.removesuffix(".jsonl"))


def polled_batches(
    provider: Callable[[str], BatchProvider],
    *,
    account_of: Callable[[str], str] = lambda _project_id: "",
    store: Callable[[], ObjectStore],
) -> PolledTable[BatchRun]:
    """Return how the sweep asks about batches; provider and store are opened at the first one."""

    def provider_of(row: BatchRun) -> BatchProvider:
        return provider(project_of_key(row.input_key))

    def poll(row: BatchRun) -> OperationStatus:
        reported = provider_of(row).poll(row.resource_name or "")
        return OperationStatus(
            reported.state,
            reported.provider_state,
            error={"message": reported.error} if reported.error else None,
            result={"output_uri": reported.output_uri},
        )

    def cancel(row: BatchRun) -> None:
        provider_of(row).cancel(row.resource_name or "")

    def find(row: BatchRun) -> Sequence[FoundOperation]:
        location = row.location or location_of(row.resource_name or "")
        return provider_of(row).find(row.evaluation_id, location=location) if location else ()

    def drop(row: BatchRun, resource_name: str) -> None:
        provider_of(row).cancel(resource_name)

    def place(row: BatchRun) -> str:
        account = account_of(project_of_key(row.input_key))
        return place_of("vertex", row.resource_name or "", account=account)

    def staged(row: BatchRun) -> StagedInputs:
        return _staged(row, store)

    return PolledTable(BatchRun, place, poll, cancel, find, drop, staged)


def _chunks(requests: Iterable[GenerationRequest]) -> Iterator[list[GenerationRequest]]:
    stream = iter(requests)
    while chunk := list(islice(stream, CHUNK)):
        yield chunk
