"""The request stage: rows are streamed, those stored or cached are skipped, the rest are sent.

Nothing here grows with the number of rows: examples come from Parquet some hundred at a time,
and the database is asked which of each chunk it has. A large evaluation is divided into shards,
one for each worker slot: the end of a shard waits for its last calls, and several in a row on
one slot would wait several times. A shard still running gets the whole quota, so shards need not
be equal.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import chain, islice

from service.datasets.examples import Example
from service.datasets.queries import stream_examples
from service.errors import NotFound, Unavailable
from service.evaluation.answer_repository import PREDICTIONS, AnswerTable, stored_keys
from service.evaluation.plans.plan import EvaluationPlan, request_key, requests_of
from service.evaluation.ports import EvaluationServices
from service.evaluation.schemas import AskSpec
from service.evaluation.stages.prediction_writer import PredictionWriter
from service.inference.budget_guard import JobBudgetGuard, open_budget_guard
from service.inference.operations import generate_all
from service.inference.ports import Flow, GenerationRequest, GenerationResult
from service.inference.retry import QuotaExhausted
from service.jobs.lifecycle import Reason
from service.jobs.ports import JobRecord, JobRun, Waiting
from service.jobs.queries import children_of
from service.jobs.shards import Shard, await_shards, divide, set_priority, start_shards

UNAVAILABLE_SECONDS = 5.0  # pause after a run that stored answers and then lost its provider
NEW_ENDPOINT = timedelta(minutes=10)
CHUNK = 250  # requests that are looked up at once
CACHE_CHUNK = 1000  # the same where only the database works
# A smaller shard costs more (a task message, a claim, a wait for the parent) than it saves.
SHARD_REQUESTS = 200
# Small evaluations go first: each ten times more requests is one class later.
_CLASSES = (500, 5_000, 50_000)


@dataclass(frozen=True, slots=True)
class MissingRequests:
    """Requests in chunks: `chunks` takes their size, and yields of each how many requests it has
    and those that have no answer; `total` is how many there are, `stage` how progress calls them.
    """

    total: int
    chunks: Callable[..., Iterator[tuple[int, list[GenerationRequest]]]]
    stage: str = "asking"


def run_shards(
    run: JobRun, plan: EvaluationPlan, *, requests: int, services: EvaluationServices
) -> Waiting | None:
    """Have the requests of a large evaluation made in shards; None when no shard is open.

    Raises the error of the first shard that failed; the answers it stored remain.
    """
    if not _shards(run, services):
        _start_shards(run, plan, requests, services)
    return await_shards(_shards(run, services))


def _shards(run: JobRun, services: EvaluationServices) -> Sequence[JobRecord]:
    """Return the run's shards; evaluations of checkpoints may stand beside them."""
    found = children_of(run.id, sessions=services.sessions)
    return [child for child in found if child.kind == "ask"]


def _start_shards(
    run: JobRun, plan: EvaluationPlan, requests: int, services: EvaluationServices
) -> None:
    """Start all shards, or none where one worker is enough."""
    priority = priority_of(requests)
    if priority:
        set_priority(run, priority)
    # A shard on another slot would load the model a second time.
    slots = 1 if plan.target.is_local else services.shards.slots
    ranges = plan_shards(plan.rows, requests=requests, slots=slots)
    if len(ranges) > 1:
        shards = [_shard(plan, rows) for rows in ranges]
        start_shards(run, "ask", shards, priority=priority, services=services.shards.jobs)


def _shard(plan: EvaluationPlan, rows: range) -> Shard:
    spec = AskSpec(evaluate=plan.spec, first=rows.start, last=rows.stop)
    return Shard(spec, items=len(rows) * plan.spec.samples)


def priority_of(requests: int) -> int:
    """Return the priority class of an evaluation by its size; 0 goes first."""
    return sum(requests > most for most in _CLASSES)


def plan_shards(rows: int, *, requests: int, slots: int) -> list[range]:
    """Return the rows of each shard: about equal, none too small, at most one for each slot.

    `requests` is how many of the rows' requests are still to be made.
    """
    return divide(rows, shards=min(slots, -(-requests // SHARD_REQUESTS)))


def send_requests(
    run: JobRun, plan: EvaluationPlan, rows: range, *, services: EvaluationServices
) -> Waiting | None:
    """Send the requests of the rows at these positions of the split that have no answer yet.

    Returns and raises what `send_missing` does. A second call sends nothing again.
    """
    return send_missing(run, plan, _row_requests(plan, rows, services=services), services=services)


def _row_requests(
    plan: EvaluationPlan, rows: range, *, services: EvaluationServices
) -> MissingRequests:
    return MissingRequests(
        total=len(rows) * plan.spec.samples,
        chunks=partial(missing_requests, plan, rows, services=services),
    )


def send_missing(
    run: JobRun,
    plan: EvaluationPlan,
    missing: MissingRequests,
    *,
    services: EvaluationServices,
    answers: AnswerTable = PREDICTIONS,
) -> Waiting | None:
    """Send requests to the plan's target and store what comes in a table of answers.

    Returns Waiting when the day's quota is used up, or when the provider became unavailable
    after some answers. Raises Preempted, JobCancelled, LeaseLost, BudgetExhausted, Unavailable,
    and the refusal that every call would meet.
    """
    with open_budget_guard(run, price=plan.price, sessions=services.sessions) as budget_guard:
        writer = PredictionWriter(
            run,
            plan,
            price=plan.price,
            sessions=services.sessions,
            budget_guard=budget_guard,
            answers=answers,
        )
        stage = RequestStage(run, plan, missing, writer=writer, services=services)
        try:
            stage.send(budget_guard)
        except QuotaExhausted as error:
            return Waiting(Reason.QUOTA, seconds=error.resume_seconds)
        except NotFound as error:
            if error.code == "provider_not_found" and _is_new(plan, services=services):
                return Waiting(Reason.RETRY, seconds=UNAVAILABLE_SECONDS, error=error)
            raise
        except Unavailable as error:
            if not writer.stored:
                raise  # an attempt without progress: the job's attempts bound them
            return Waiting(Reason.RETRY, seconds=UNAVAILABLE_SECONDS, error=error)
    return None


def _is_new(plan: EvaluationPlan, *, services: EvaluationServices) -> bool:
    """Return whether the model was tuned a moment ago: not every server knows its endpoint yet."""
    ready_at = plan.target.ready_at
    return ready_at is not None and services.sessions.now() - ready_at < NEW_ENDPOINT


def copy_cached_answers(
    run: JobRun, plan: EvaluationPlan, *, services: EvaluationServices, whole: bool = False
) -> None:
    """Store cached answers, from the first row on, as long as the cache has most of a chunk.

    Copying is faster than starting a shard on another worker. `whole` continues to the last row:
    a batch should send no request that the cache can answer. Raises what `send_requests` raises.
    """
    if plan.cache is not None:
        writer = PredictionWriter(run, plan, price=plan.price, sessions=services.sessions)
        missing = _row_requests(plan, range(plan.rows), services=services)
        stage = RequestStage(run, plan, missing, writer=writer, services=services)
        stage.copy_cached(whole=whole)


class RequestStage:
    """One run of requests. They are read in one thread, results stored in another."""

    def __init__(
        self,
        run: JobRun,
        plan: EvaluationPlan,
        missing: MissingRequests,
        *,
        writer: PredictionWriter,
        services: EvaluationServices,
    ) -> None:
        self._run, self._plan, self._all = run, plan, missing
        self._writer, self._services = writer, services
        self._known = 0  # requests that were stored or cached before this run sent any

    def send(self, budget_guard: JobBudgetGuard | None) -> None:
        requests = self._missing()
        first = next(requests, None)
        if first is None:  # no connection is opened without a request
            return
        calls, hedge = self._services.calls, self._plan.spec.hedge
        limits, is_local = calls.limits(self._plan.target), self._plan.target.is_local
        if hedge is not None and not is_local:
            limits = replace(limits, hedging=hedge)
        generate_all(
            chain([first], requests),
            generator=calls.generator(self._plan.target, self._run.project_id),
            governor=calls.governor(self._plan.target, self._run.project_id),
            flow=Flow(self._run.project_id, self._run.root_id),
            limits=limits,
            budget_guard=budget_guard,
            store=self._store,
            check=self._check,
            warn=self._warn,
        )
        self._writer.close()

    def copy_cached(self, *, whole: bool) -> None:
        for requests, missing in self._chunks(CACHE_CHUNK):
            if 2 * len(missing) > requests and not whole:
                return

    def _store(self, results: Sequence[GenerationResult]) -> None:
        self._writer.write(results)
        self._report()

    def _check(self) -> None:
        self._check_run()
        self._writer.check()

    def _warn(self, refused: bool) -> None:  # noqa: FBT001  a callback
        self._run.warn(Reason.QUOTA if refused else None)

    def _check_run(self) -> None:
        self._run.check()
        self._run.check_preemption()

    def _report(self) -> None:
        done = self._known + self._writer.stored
        self._run.report(done, self._all.total, unit="items", stage=self._all.stage)

    def _missing(self) -> Iterator[GenerationRequest]:
        for _, missing in self._chunks(CHUNK):
            yield from missing

    def _chunks(self, size: int) -> Iterator[tuple[int, list[GenerationRequest]]]:
        """Yield of each chunk how many requests it has, and those without an answer.

        Cached answers are stored on the way.
        """
        for requests, unstored in self._all.chunks(size=size):
            self._check_run()
            missing = self._writer.write_cached(unstored)
            self._known += requests - len(missing)
            self._report()
            yield requests, missing


def missing_requests(
    plan: EvaluationPlan, rows: range, *, services: EvaluationServices, size: int = CHUNK
) -> Iterator[tuple[int, list[GenerationRequest]]]:
    """Yield of each chunk of rows how many requests it has, and those that are not stored."""
    samples = plan.spec.samples
    size = max(1, size // plan.spec.samples)
    for chunk in example_chunks(plan, rows, services=services, size=size):
        with services.sessions.reading() as session:
            stored = stored_keys(session, plan.evaluation_id, [example.id for example in chunk])
        incomplete = [each for each in chunk if not _is_complete(each.id, stored, samples)]
        known = {request_key(*key) for key in stored}
        requests = requests_of(incomplete, plan)
        yield len(chunk) * samples, [each for each in requests if each.key not in known]


def _is_complete(example_id: str, stored: set[tuple[str, int]], samples: int) -> bool:
    return all((example_id, sample) in stored for sample in range(samples))


def example_chunks(
    plan: EvaluationPlan, rows: range, *, services: EvaluationServices, size: int
) -> Iterator[list[Example]]:
    examples = stream_examples(
        plan.dataset.examples_key,
        plan.split,
        first=plan.spec.first_row + rows.start,
        last=plan.spec.first_row + rows.stop,
        store=services.store,
    )
    while chunk := list(islice(examples, size)):
        yield chunk
