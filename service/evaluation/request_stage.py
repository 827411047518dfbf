"""The asking stage: rows are streamed, what is stored or remembered is passed over, the rest sent.

Nothing here grows with the number of rows: examples come from Parquet some hundred at a time,
and of each such chunk the database is asked what it holds already.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from service.catalogue.catalogue import Catalogue
from service.clock import utc_now
from service.database import Sessions
from service.datasets.examples import Example
from service.datasets.queries import stream_examples
from service.errors import Unavailable
from service.evaluation import repository
from service.evaluation.answers import Answers
from service.evaluation.cache_repository import insert_cached
from service.evaluation.plan import EvaluationPlan, Target, key_of, parts_of, requests_of
from service.evaluation.prediction_writer import PredictionWriter
from service.inference.budget_guard import open_budget_guard
from service.inference.cache import CacheRules, cached_answers, fingerprint_of
from service.inference.operations import generate_all
from service.inference.ports import (
    CallLimits,
    Flow,
    GenerationRequest,
    GenerationResult,
    Generator,
    Governor,
)
from service.inference.retry import QuotaExhausted
from service.jobs.lifecycle import Reason
from service.jobs.ports import JobRun, Waiting
from service.storage.ports import ObjectStore

AWAY_SECONDS = 5.0  # pause after an evaluation has got on and then lost its provider
CHUNK = 250  # requests that are looked up at once
CACHE_CHUNK = 1000  # the same where only the database works


@dataclass(frozen=True, slots=True)
class CallConfig:
    """How calls are made: the adapter, the pace of a target, and the limits of one process.

    `cache` is None where answers are not remembered.
    """

    generator: Callable[[], Generator]
    governor: Callable[[Target], Governor]
    limits: CallLimits
    location: str
    catalogue: Catalogue
    cache: CacheRules | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a split from position `first` to before `last`."""

    first: int
    last: int


def ask(
    run: JobRun,
    plan: EvaluationPlan,
    rows: Rows,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: CallConfig,
) -> Waiting | None:
    """Ask for the rows that have no outcome yet; a second run asks nothing again.

    Returns Waiting when the day's quota is used up, or when the provider went away in the middle.
    Raises Preempted, JobCancelled, LeaseLost, BudgetExhausted, and what every call would meet.
    """
    cache = calling.cache if plan.spec.cache else None
    with open_budget_guard(run, price=plan.price, sessions=sessions) as budget_guard:
        writer = PredictionWriter(
            run, plan, price=plan.price, budget_guard=budget_guard, cache=cache
        )
        asking = RequestStage(writer, rows, sessions=sessions, store=store)
        try:
            asking.send(calling)
        except QuotaExhausted as error:
            return Waiting(Reason.QUOTA, seconds=error.resume_seconds)
        except Unavailable:
            if not asking.answers.stored:
                raise  # an attempt without progress: the job's attempts bound them
            return Waiting(Reason.RETRY, seconds=AWAY_SECONDS)
    return None


def cache_lookup(
    run: JobRun,
    plan: EvaluationPlan,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: CallConfig,
    whole: bool = False,
) -> None:
    """Store what is remembered, from the first row on, as long as that is most of a chunk.

    Remembered answers are had faster than a shard of them is handed to another worker. `whole`
    goes on to the last row: a batch should hold nothing that is known.
    """
    cache = calling.cache if plan.spec.cache else None
    if cache is None:
        return
    writer = PredictionWriter(run, plan, price=plan.price, budget_guard=None, cache=cache)
    asking = RequestStage(writer, Rows(0, plan.rows), sessions=sessions, store=store)
    asking.recall(whole=whole)


class RequestStage:
    """One run over a range of rows. Requests are read in one thread, answers stored in another."""

    def __init__(
        self, writer: PredictionWriter, rows: Rows, *, sessions: Sessions, store: ObjectStore
    ) -> None:
        self._writer, self._rows = writer, rows
        self._run, self._plan = writer.run, writer.plan
        self._sessions, self._store = sessions, store
        self._total = (rows.last - rows.first) * self._plan.spec.samples
        self._found = 0
        self.answers = Answers(self._keep)

    def send(self, calling: CallConfig) -> None:
        requests = self._missing()
        first = next(requests, None)
        if first is None:  # no connection is opened for nothing
            return
        generate_all(
            chain([first], requests),
            generator=calling.generator(),
            governor=calling.governor(self._plan.target),
            flow=Flow(self._run.project_id, self._run.root_id),
            limits=calling.limits,
            budget_guard=self._writer.budget_guard,
            store=self.answers.take,
            check=self._check,
        )
        self.answers.close()

    def recall(self, *, whole: bool) -> None:
        for requests, missing in self._chunks(CACHE_CHUNK):
            if 2 * len(missing) > requests and not whole:
                return

    def _check(self) -> None:
        self._check_run()
        self.answers.check()

    def _check_run(self) -> None:
        self._run.check()
        self._run.check_preemption()

    def _keep(self, batch: Sequence[GenerationResult]) -> None:
        self._writer.keep(batch)
        self._report(self.answers.stored + len(batch))

    def _report(self, stored: int) -> None:
        self._run.report(self._found + stored, self._total, unit="items", stage="asking")

    def _missing(self) -> Iterator[GenerationRequest]:
        for _, missing in self._chunks(CHUNK):
            yield from missing

    def _chunks(self, size: int) -> Iterator[tuple[int, list[GenerationRequest]]]:
        """Yield of each chunk how many requests it makes, and those that have no answer yet.

        What is remembered is stored on the way.
        """
        cache = self._writer.cache
        for requests, unstored in missing_requests(
            self._plan, self._rows, sessions=self._sessions, store=self._store, size=size
        ):
            self._check_run()
            missing = self._cached(unstored, cache) if cache else unstored
            self._found += requests - len(missing)
            self._report(self.answers.stored)
            yield requests, missing

    def _cached(
        self, requests: Sequence[GenerationRequest], cache: CacheRules
    ) -> list[GenerationRequest]:
        """Store the answers that are remembered, and return the requests that are not."""
        if not requests:
            return []
        now, scope = utc_now(), cache.scope(self._run.project_id)
        wanted = {parts_of(each.key): fingerprint_of(each) for each in requests}
        with self._run.fenced() as session:
            stored = insert_cached(
                session,
                self._plan.evaluation_id,
                wanted,
                cached_answers(scope=scope, now=now),
                now=now,
            )
        return [each for each in requests if parts_of(each.key) not in stored]


def missing_requests(
    plan: EvaluationPlan, rows: Rows, *, sessions: Sessions, store: ObjectStore, size: int = CHUNK
) -> Iterator[tuple[int, list[GenerationRequest]]]:
    """Yield of each chunk of rows how many requests it makes, and those that are not stored."""
    samples = plan.spec.samples
    for chunk in _chunks(plan, rows, store=store, size=size):
        with sessions.reading() as session:
            stored = repository.stored_keys(
                session, plan.evaluation_id, [example.id for example in chunk]
            )
        bare = [each for each in chunk if not _is_complete(each.id, stored, samples)]
        requests = requests_of(bare, plan)
        known = {key_of(*key) for key in stored}
        yield len(chunk) * samples, [each for each in requests if each.key not in known]


def _is_complete(example_id: str, stored: set[tuple[str, int]], samples: int) -> bool:
    return all((example_id, sample) in stored for sample in range(samples))


def _chunks(
    plan: EvaluationPlan, rows: Rows, *, store: ObjectStore, size: int
) -> Iterator[list[Example]]:
    examples = stream_examples(
        plan.dataset.examples_key, plan.split, first=rows.first, last=rows.last, store=store
    )
    while chunk := list(islice(examples, max(1, size // plan.spec.samples))):
        yield chunk
