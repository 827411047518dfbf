"""The batch lane: an evaluation's requests go as one file, and their answers come as another."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from service.catalogue.prices import CallPrice
from service.clock import utc_now
from service.database import Sessions
from service.errors import Forbidden, Internal, Invalid, NotFound, RateLimited, Unavailable
from service.evaluation import batch_repository
from service.evaluation.lanes import Lane
from service.evaluation.models import BatchRun
from service.evaluation.ports import BatchConfig
from service.inference.batches.files import BatchAnswers, open_answers, request_lines
from service.inference.batches.ports import BatchOrder, BatchState, ProviderBatch
from service.inference.budget_guard import CostForecast, reserve_ahead
from service.inference.ports import GenerationRequest, GenerationResult
from service.jobs.budgets import settle_ahead
from service.jobs.lifecycle import Reason
from service.jobs.ports import JobCancelled, JobRun, Waiting

log = structlog.get_logger()

CANCEL_AGAIN_SECONDS = 10.0
CHUNK = 500
LONGEST = timedelta(hours=72 + 24 + 1)  # Google queues a batch for 72 h and runs it for 24 h


@dataclass(frozen=True, slots=True)
class BatchWork:
    """What an evaluation still has to ask, and where its answers go.

    `requests` gives a fresh stream of what is not stored, in the same order each time; `keep`
    stores answers with their cost at `price`, the one of a batch.
    """

    target: str
    location: str
    wanted: Lane
    deadline_hours: float | None
    price: CallPrice | None
    requests: Callable[[], Iterable[GenerationRequest]]
    keep: Callable[[Sequence[GenerationResult]], None]


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
    return _Batch(run, work, batching=batching, sessions=sessions).step()


class _Batch:
    def __init__(
        self, run: JobRun, work: BatchWork, *, batching: BatchConfig, sessions: Sessions
    ) -> None:
        self._run, self._work = run, work
        self._batching, self._sessions = batching, sessions
        self._evaluation_id = run.outputs["evaluation"]

    def step(self) -> Waiting | None:
        with self._sessions.reading() as session:
            row = batch_repository.find(session, self._evaluation_id)
        if row is None:
            return self._begin()
        match BatchState(row.state):
            case BatchState.INTENDED:
                return self._resume(row)
            case BatchState.ACCEPTED:
                return self._see_through_outages(row)
            case ended:
                self._leave(ended, row.error or row.provider_state)
                return None

    # ------------------------------------------------------------ the submission

    def _begin(self) -> Waiting | None:
        if self._run.cancelling:
            raise JobCancelled
        with TemporaryDirectory() as folder:
            path = Path(folder) / "requests.jsonl"
            count, estimate = self._write(path)
            if not count:
                return None
            key = f"batches/{self._evaluation_id}/{utc_now():%Y%m%dT%H%M%S%f}.jsonl"
            self._batching.store.put_file(key, path, content_type="application/jsonl")
        reserve_ahead(self._run, estimate, what="the batch")
        row = BatchRun(
            evaluation_id=self._evaluation_id,
            state=BatchState.INTENDED.value,
            input_key=key,
            requests=count,
            intended_at=utc_now(),
        )
        with self._run.fenced() as session:
            batch_repository.add(session, row)
        return self._submit(row)

    def _write(self, path: Path) -> tuple[int, int | None]:
        """Write the requests; return how many they are, and about what they will cost."""
        price = self._work.price
        forecast = CostForecast(price) if price else None
        count, nano = 0, 0
        with path.open("wb") as file:
            for chunk in _chunks(self._work.requests()):
                self._run.check()
                file.writelines(request_lines(chunk))
                count += len(chunk)
                nano += sum(map(forecast.cost_of, chunk)) if forecast else 0
        return count, nano if forecast else None

    def _submit(self, row: BatchRun) -> Waiting | None:
        order = BatchOrder(
            run_id=self._evaluation_id,
            model=self._work.target,
            location=self._work.location,
            input_uri=self._batching.store.uri(row.input_key),
            output_uri=self._batching.store.uri(f"batches/{self._evaluation_id}"),
            display_name=f"tunecurve-{self._evaluation_id}",
        )
        try:
            resource_name = self._batching.provider().submit(order)
        except Unavailable:
            # The request may have arrived. It is looked for before it is ever sent again.
            log.warning("batch_submission_unanswered", evaluation_id=self._evaluation_id)
            return Waiting(Reason.RETRY, seconds=self._batching.settle_seconds)
        except RateLimited:
            return Waiting(Reason.QUOTA, seconds=self._batching.settle_seconds)
        except (Invalid, Forbidden, NotFound) as error:
            self._refused(error)
            return None
        log.info("batch_submitted", evaluation_id=self._evaluation_id, requests=row.requests)
        return self._accept(resource_name)

    def _resume(self, row: BatchRun) -> Waiting | None:
        """Adopt the batch that an earlier worker may have sent; send it only if there is none."""
        settled = row.intended_at + timedelta(seconds=self._batching.settle_seconds)
        remaining = (settled - utc_now()).total_seconds()
        if remaining > 0:
            return Waiting(Reason.RETRY, seconds=remaining)
        try:
            adopted = self._batching.provider().find(
                self._evaluation_id, location=self._work.location
            )
        except Unavailable:
            return Waiting(Reason.RETRY, seconds=self._batching.settle_seconds)
        if adopted is not None:
            log.info("batch_adopted", evaluation_id=self._evaluation_id)
            return self._accept(adopted)
        if self._run.cancelling:
            raise JobCancelled
        with self._run.fenced() as session:
            batch_repository.change(session, self._evaluation_id, intended_at=utc_now())
        return self._submit(row)

    def _accept(self, resource_name: str) -> Waiting:
        with self._run.fenced() as session:
            batch_repository.change(
                session,
                self._evaluation_id,
                resource_name=resource_name,
                state=BatchState.ACCEPTED.value,
                submitted_at=utc_now(),
            )
        return self._wait()

    def _refused(self, error: Invalid | Forbidden | NotFound) -> None:
        self._end(BatchState.FAILED, error=error.message)
        if self._work.wanted is Lane.BATCH:
            raise error

    # ------------------------------------------------------------ until it ends

    def _see_through_outages(self, row: BatchRun) -> Waiting | None:
        """A provider that does not answer for a while is no reason to give a batch up."""
        try:
            return self._see_through(row)
        except (Unavailable, RateLimited):
            if utc_now() - row.intended_at > LONGEST:
                raise
            return self._wait()

    def _see_through(self, row: BatchRun) -> Waiting | None:
        told = self._ask(row.resource_name or "")
        if told.state is BatchState.ACCEPTED:
            return self._go_on(row)
        if told.output_uri:
            with open_answers(self._batching.lines(told.output_uri)) as answers:
                self._store(answers)
        self._end(told.state, provider_state=told.provider_state, error=told.error)
        log.info("batch_ended", evaluation_id=self._evaluation_id, state=told.provider_state)
        self._leave(told.state, told.error or told.provider_state)
        return None

    def _ask(self, resource_name: str) -> ProviderBatch:
        try:
            return self._batching.provider().poll(resource_name)
        except NotFound as error:  # somebody has deleted it
            return ProviderBatch(resource_name, BatchState.FAILED, "", error=error.message)

    def _go_on(self, row: BatchRun) -> Waiting:
        """Wait on; stop a batch that nobody wants any more or that is out of time."""
        hours = self._work.deadline_hours
        overdue = hours is not None and utc_now() - row.intended_at > timedelta(hours=hours)
        if not (self._run.cancelling or overdue):
            return self._wait()
        self._batching.provider().cancel(row.resource_name or "")
        seconds = min(CANCEL_AGAIN_SECONDS, self._batching.poll_seconds)
        return Waiting(Reason.PROVIDER, seconds=seconds)

    def _wait(self) -> Waiting:
        return Waiting(Reason.PROVIDER, seconds=self._batching.poll_seconds)

    def _store(self, answers: BatchAnswers) -> None:
        """Keep every answer; a row that was refused by itself stays to be asked online."""
        synthetic = self._batching.provider().synthetic
        for chunk in _chunks(self._work.requests()):
            found = ((request, answers.find(request.key)) for request in chunk)
            batch = [
                GenerationResult(request, replace(answer, synthetic=synthetic), 1)
                for request, answer in found
                if answer
            ]
            if batch:
                self._work.keep(batch)

    # ------------------------------------------------------------ the end

    def _end(self, state: BatchState, *, error: str = "", provider_state: str = "") -> None:
        """Write down how it ended, and what it has cost in place of what was put aside."""
        with self._run.fenced() as session:
            batch_repository.change(
                session,
                self._evaluation_id,
                state=state.value,
                provider_state=provider_state,
                error=error[:500],
                finished_at=utc_now(),
            )
            spent = batch_repository.spent_on(session, self._evaluation_id)
            settle_ahead(session, self._run.id, spent)
            if state is BatchState.FAILED and self._work.wanted is Lane.AUTO:
                reason = f"the batch failed: {error or provider_state}"
                batch_repository.choose_lane(
                    session, self._evaluation_id, lane=Lane.ONLINE.value, reason=reason[:500]
                )

    def _leave(self, state: BatchState, words: str) -> None:
        """After the end: raise what it ended with, or let the rest be asked online."""
        if self._run.cancelling:
            raise JobCancelled
        if state is BatchState.FAILED and self._work.wanted is Lane.BATCH:
            raise Internal(f"the provider's batch failed: {words}", code="provider_failed")


def _chunks(requests: Iterable[GenerationRequest]) -> Iterator[list[GenerationRequest]]:
    stream = iter(requests)
    while chunk := list(islice(stream, CHUNK)):
        yield chunk
