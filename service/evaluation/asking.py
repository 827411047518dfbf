"""The asking stage: rows are streamed, what is stored or remembered is passed over, the rest sent.

Nothing here grows with the number of rows: examples come from Parquet some hundred at a time,
and of each such chunk the database is asked what it holds already.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from service.clock import utc_now
from service.database import Sessions
from service.datasets.examples import Example
from service.datasets.operations import stream_examples
from service.errors import Unavailable
from service.evaluation import repository
from service.evaluation.answers import Answers
from service.evaluation.recall_repository import insert_remembered
from service.evaluation.requests import Brief, Target, key_of, parts_of, requests_of
from service.evaluation.storing import Keeping
from service.inference.operations import (
    Answered,
    CacheRules,
    CallLimits,
    Prices,
    fingerprint_of,
    generate_all,
    open_purse,
    remembered,
)
from service.inference.ports import Draining, Flow, GenerationRequest, Generator, Governor
from service.inference.retry import QuotaExhausted
from service.jobs.lifecycle import Reason
from service.jobs.ports import JobRun, Preempted, Waiting
from service.storage.ports import ObjectStore

AWAY_SECONDS = 5.0  # pause after an evaluation has got on and then lost its provider
CHUNK = 250  # requests that are looked up at once
RECALLED = 1000  # the same where only the database works


@dataclass(frozen=True, slots=True)
class Calling:
    """How calls are made: the adapter, the pace of a target, and the limits of one process.

    `cache` is None where answers are not remembered.
    """

    generator: Callable[[], Generator]
    governor: Callable[[Target], Governor]
    limits: CallLimits
    location: str
    prices: Prices
    cache: CacheRules | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a split from position `first` to before `last`."""

    first: int
    last: int


def ask(
    run: JobRun,
    brief: Brief,
    rows: Rows,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: Calling,
) -> Waiting | None:
    """Ask for the rows that have no outcome yet; a second run asks nothing again.

    Returns Waiting when the day's quota is used up, or when the provider went away in the middle.
    Raises Preempted, JobCancelled, LeaseLost, BudgetExhausted, and what every call would meet.
    """
    cache = calling.cache if brief.spec.cache else None
    with open_purse(run, price=brief.price, sessions=sessions) as purse:
        keeping = Keeping(run, brief, price=brief.price, purse=purse, cache=cache)
        asking = _Asking(keeping, rows, sessions=sessions, store=store)
        try:
            asking.send(calling)
        except QuotaExhausted as error:
            return Waiting(Reason.QUOTA, seconds=error.resume_seconds)
        except Draining as error:
            raise Preempted from error
        except Unavailable:
            if not asking.answers.stored:
                raise  # an attempt without progress: the job's attempts bound them
            return Waiting(Reason.RETRY, seconds=AWAY_SECONDS)
    return None


def recall_rows(
    run: JobRun,
    brief: Brief,
    *,
    sessions: Sessions,
    store: ObjectStore,
    calling: Calling,
    whole: bool = False,
) -> None:
    """Store what is remembered, from the first row on, as long as that is most of a chunk.

    Remembered answers are had faster than a share of them is handed to another worker. `whole`
    goes on to the last row: a batch should hold nothing that is known.
    """
    cache = calling.cache if brief.spec.cache else None
    if cache is None:
        return
    keeping = Keeping(run, brief, price=brief.price, purse=None, cache=cache)
    asking = _Asking(keeping, Rows(0, brief.rows), sessions=sessions, store=store)
    try:
        asking.recall(whole=whole)
    except Draining as wanted:
        raise Preempted from wanted


class _Asking:
    """One run over a range of rows. Requests are read in one thread, answers stored in another."""

    def __init__(
        self, keeping: Keeping, rows: Rows, *, sessions: Sessions, store: ObjectStore
    ) -> None:
        self._keeping, self._rows = keeping, rows
        self._run, self._brief = keeping.run, keeping.brief
        self._sessions, self._store = sessions, store
        self._total = (rows.last - rows.first) * self._brief.spec.samples
        self._found = 0
        self.answers = Answers(self._keep)

    def send(self, calling: Calling) -> None:
        requests = self._missing()
        first = next(requests, None)
        if first is None:  # no connection is opened for nothing
            return
        generate_all(
            chain([first], requests),
            generator=calling.generator(),
            governor=calling.governor(self._brief.target),
            flow=Flow(self._run.project_id, self._run.root_id),
            limits=calling.limits,
            purse=self._keeping.purse,
            store=self.answers.take,
            check=self._check,
        )
        self.answers.close()

    def recall(self, *, whole: bool) -> None:
        for requests, missing in self._chunks(RECALLED):
            if 2 * len(missing) > requests and not whole:
                return

    def _check(self) -> None:
        self._look()
        self.answers.check()

    def _look(self) -> None:
        self._run.check()
        try:
            self._run.check_preemption()
        except Preempted as wanted:
            raise Draining from wanted

    def _keep(self, batch: Sequence[Answered]) -> None:
        self._keeping.keep(batch)
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
        cache = self._keeping.cache
        for requests, unstored in missing_requests(
            self._brief, self._rows, sessions=self._sessions, store=self._store, size=size
        ):
            self._look()
            missing = self._recalled(unstored, cache) if cache else unstored
            self._found += requests - len(missing)
            self._report(self.answers.stored)
            yield requests, missing

    def _recalled(
        self, requests: Sequence[GenerationRequest], cache: CacheRules
    ) -> list[GenerationRequest]:
        """Store the answers that are remembered, and return the requests that are not."""
        if not requests:
            return []
        now, scope = utc_now(), cache.scope(self._run.project_id)
        wanted = {parts_of(each.key): fingerprint_of(each) for each in requests}
        with self._run.fenced() as session:
            stored = insert_remembered(
                session,
                self._brief.evaluation_id,
                wanted,
                remembered(scope=scope, now=now),
                now=now,
            )
        return [each for each in requests if parts_of(each.key) not in stored]


def missing_requests(
    brief: Brief, rows: Rows, *, sessions: Sessions, store: ObjectStore, size: int = CHUNK
) -> Iterator[tuple[int, list[GenerationRequest]]]:
    """Yield of each chunk of rows how many requests it makes, and those that are not stored."""
    samples = brief.spec.samples
    for chunk in _chunks(brief, rows, store=store, size=size):
        with sessions.reading() as session:
            stored = repository.stored_keys(
                session, brief.evaluation_id, [example.id for example in chunk]
            )
        bare = [each for each in chunk if not _is_complete(each.id, stored, samples)]
        requests = requests_of(bare, brief)
        known = {key_of(*key) for key in stored}
        yield len(chunk) * samples, [each for each in requests if each.key not in known]


def _is_complete(example_id: str, stored: set[tuple[str, int]], samples: int) -> bool:
    return all((example_id, sample) in stored for sample in range(samples))


def _chunks(brief: Brief, rows: Rows, *, store: ObjectStore, size: int) -> Iterator[list[Example]]:
    examples = stream_examples(
        brief.dataset.examples_key, brief.split, first=rows.first, last=rows.last, store=store
    )
    while chunk := list(islice(examples, max(1, size // brief.spec.samples))):
        yield chunk
