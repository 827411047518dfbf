"""What inference needs from outside, and the values that its parts pass to each other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal, Protocol

from service.catalogue.entry import NO_SETTINGS, CallSettings
from service.tokens import tokens_in

FINISH_REASON_LENGTH, ERROR_LENGTH = 50, 500  # characters that are stored
# The guess for a run's first calls. Too much only delays their start or holds budget until they
# are answered; too little would let a run exceed its budget.
FIRST_OUTPUT_TOKENS = 256
# What calls of Vertex AI's evaluation service are booked as: a quota or price may have this name.
EVALUATION_SERVICE = "vertex-evaluation-service"
LAPSE_SECONDS = 0.05  # a start not used in time is dropped: kept, they would add up to a burst
UNKNOWN_BURST_SECONDS = 0.1  # a cautious guess: a larger burst is refused where it is wrong


@dataclass(frozen=True, slots=True)
class Turn:
    role: Literal["user", "model"]
    text: str


class Outcome(StrEnum):
    """What became of one call. A failure is not a wrong answer: only `ok` is scored."""

    OK = "ok"
    EMPTY = "empty"  # no text and no reason, several times in a row
    REFUSED = "refused"  # blocked prompt, SAFETY, RECITATION
    TRUNCATED = "truncated"  # MAX_TOKENS, with or without text
    UNPARSABLE = "unparsable"  # an answer we cannot read
    FAILED = "failed"  # no answer after all attempts


# A passing fault of the provider looks like this: asked again before it is the row's outcome.
ASKED_AGAIN = frozenset({Outcome.EMPTY, Outcome.UNPARSABLE})


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One call. `key` is the caller's name for it and is returned with the result.

    `target` is a publisher model (`gemini-3.1-flash-lite`) or an endpoint's full resource name;
    `base_model` is what the quota counts: endpoints share their base model's. `system` is the
    system instruction; `settings` come from the base model's entry in the catalogue.
    """

    key: str
    target: str
    base_model: str
    location: str
    contents: tuple[Turn, ...]
    temperature: float = 0.0
    max_output_tokens: int = 1024
    seed: int | None = None
    system: str = ""
    settings: CallSettings = NO_SETTINGS

    @property
    def texts(self) -> list[str]:
        """All texts that the model reads."""
        return [self.system, *(turn.text for turn in self.contents)]

    @property
    def estimated_prompt_tokens(self) -> int:
        """About how many tokens the prompt has, by its characters."""
        return tokens_in(sum(map(len, self.texts)))


@dataclass(frozen=True, slots=True)
class Generation:
    """`text` is empty unless the outcome is `ok` or `truncated`; tokens are as billed, or our
    estimate where `uncounted` by the provider. `logprob` is the log-probability of all tokens of
    the answer, in nats; None where it was not asked for or not returned.
    """

    outcome: Outcome
    text: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0
    usage: Mapping[str, Any] = field(default_factory=dict)
    synthetic: bool = False
    error: str = ""
    uncounted: bool = False
    logprob: float | None = None

    def columns(self) -> dict[str, Any]:
        """Return the values of ANSWER_COLUMNS; long reasons and errors are cut to their length."""
        values = {name: getattr(self, name) for name in ANSWER_COLUMNS}
        return values | {
            "outcome": self.outcome.value,
            "finish_reason": self.finish_reason[:FINISH_REASON_LENGTH],
            "error": self.error[:ERROR_LENGTH],
            "usage": dict(self.usage),
        }


# A table that holds answers has a column for each field of a Generation.
ANSWER_COLUMNS = tuple(each.name for each in fields(Generation))


@dataclass(frozen=True, slots=True)
class CallLimits:
    """`in_flight` bounds the requests of a run between reading and storing, thus its memory.

    `attempts` are the tries of one request, 429s not counted; `timeout_seconds` is the deadline
    of each. `hedging` sends stragglers a second time, which may be paid for twice. `billed` says
    that calls are charged for, `synthetic` that they go to an emulator.
    """

    in_flight: int
    attempts: int
    timeout_seconds: float
    hedging: bool = False
    billed: bool = True
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """One result: the request, what came, and after how many tries (429s apart).

    `reached` is False for a failure whose last try did not reach the provider. `discarded` are
    earlier answers that were billed and said nothing, `lost` tries that were sent and whose end is
    unknown, with our estimate of their tokens. `latency_ms` is how long the call took that was
    answered, without the waits before it; None where none was. `hedged` counts calls sent beside
    one that lasted. `abandoned` says that the run ended before there was an answer: then only
    what the request has cost is known, and `reached` is False.
    """

    request: GenerationRequest
    generation: Generation
    attempts: int
    reached: bool = True
    discarded: tuple[Generation, ...] = ()
    lost: tuple[Generation, ...] = ()
    latency_ms: int | None = None
    hedged: int = 0
    abandoned: bool = False

    @property
    def key(self) -> str:
        return self.request.key

    @property
    def billed(self) -> tuple[Generation, ...]:
        """All that is billed or may be."""
        is_entry = self.reached and not (self.lost and self.generation.outcome is Outcome.FAILED)
        return (*self.discarded, *self.lost, *([self.generation] if is_entry else []))


class Generator(Protocol):
    """Sends one request, once. Raises `service.inference.retry.CallFailed` when there is no
    answer, saying what kind of refusal it was; never retries by itself.
    """

    async def generate(self, request: GenerationRequest) -> Generation: ...

    async def close(self) -> None: ...


class StreamingGenerator(Generator, Protocol):
    """A Generator whose answers can be followed: `emit` gets each piece of the text as it comes.

    `stream` raises what `generate` does, also after pieces: what came may then be incomplete.
    """

    async def stream(
        self, request: GenerationRequest, *, emit: Callable[[str], None]
    ) -> Generation: ...


@dataclass(frozen=True, slots=True)
class Flow:
    """Whose calls these are: quota is shared first between projects, then between their jobs.

    `job_id` is the job that a user submitted, thus the root of its family. `weight` counts
    within the project: a job of weight 2 gets twice what one of weight 1 gets.
    """

    project_id: str
    job_id: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Quota:
    """What a provider grants, as far as it is known: 0 requests per minute means unknown.

    `burst_seconds` is the part of the quota that may be used at once after a pause. `in_flight`
    caps the calls of the fleet for safety; 0 tokens or calls mean no limit.
    """

    requests_per_minute: float = 0
    tokens_per_minute: float = 0
    burst_seconds: float = UNKNOWN_BURST_SECONDS
    in_flight: int = 0

    @property
    def lapse_seconds(self) -> float:
        """How late a start may be taken; together with `usable_burst` within the burst."""
        return max(0.005, min(LAPSE_SECONDS, self.burst_seconds / 2))

    @property
    def usable_burst(self) -> float:
        """The burst less what late starts and a jittery network may add to it."""
        burst = self.burst_seconds
        return max(burst - LAPSE_SECONDS - self.lapse_seconds, burst / 2)


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What a governor sends with each request: its calls, and tokens used beyond the estimates."""

    governor: str
    in_flight: int = 0
    waiting: int = 0
    settle: int = 0
    known_rate: float = 0.0  # starts per second, for a Redis that was wiped


@dataclass(frozen=True, slots=True)
class Lease:
    """`waits` are the seconds until each start; if empty, retry in `retry_seconds`, unless parked.

    `credit` goes into the next request of the same flow, as long as calls of it wait.
    """

    parked: float
    rate: float
    governors: int
    retry_seconds: float = 0.0
    credit: float = 0.0
    waits: Sequence[float] = ()


class Governor(Protocol):
    """Paces the starts of all calls of one quota.

    `acquire` waits until the call may start and returns the tokens reserved for it; `first` puts
    it before all others of its flow. Raises QuotaExhausted while the quota is parked. `tokens` is
    evaluated shortly before the start, when the estimate has learned most. `release` notes that
    a call has ended, and the `used` tokens in place of those `estimated`. `refused` reports a 429,
    and how long the provider says to hold; `park` a quota that is used up for so many seconds.
    """

    async def acquire(
        self, flow: Flow, *, tokens: Callable[[], int], first: bool = False
    ) -> int: ...

    def release(self, flow: Flow, *, estimated: int, used: int) -> None: ...

    async def refused(self, *, hold_seconds: float = 0.0) -> None: ...

    async def park(self, seconds: float) -> None: ...

    async def close(self) -> None: ...


class BudgetGuard(Protocol):
    """The budget of a run. `reserve` is awaited before every call that may be billed: the first
    try of a request, a try after one of unknown end (no answer in time, connection lost), a hedge.
    What it raises (BudgetExhausted) ends the run as a used-up quota does.
    """

    async def reserve(self, request: GenerationRequest) -> None: ...
