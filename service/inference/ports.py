"""What inference asks of the outside: calls that generate text, permits and money for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    role: Literal["user", "model"]
    text: str


class Outcome(StrEnum):
    """What became of one call. A failure is not a wrong answer: only `ok` is scored."""

    OK = "ok"
    REFUSED = "refused"  # blocked prompt, SAFETY, RECITATION, no candidate
    TRUNCATED = "truncated"  # MAX_TOKENS, with or without text
    UNPARSABLE = "unparsable"  # an answer we cannot read
    FAILED = "failed"  # no answer after all attempts


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One call. `key` is the caller's own name for it and comes back with the result.

    `target` is a publisher model (`gemini-2.5-flash`) or an endpoint's full resource name;
    `base_model` is what the quota counts: endpoints share their base model's. `system` is the
    system instruction.
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

    @property
    def texts(self) -> list[str]:
        """All that the model gets to read."""
        return [self.system, *(turn.text for turn in self.contents)]


@dataclass(frozen=True, slots=True)
class Generation:
    """`text` is empty unless the outcome is `ok` or `truncated`; tokens are as billed."""

    outcome: Outcome
    text: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0
    usage: Mapping[str, Any] = field(default_factory=dict)
    synthetic: bool = False
    error: str = ""


class Generator(Protocol):
    """Sends one request, once. Raises `service.inference.retry.CallFailed` when there is no
    answer, saying what kind of refusal it was; never retries by itself.
    """

    async def generate(self, request: GenerationRequest) -> Generation: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Flow:
    """Who asks for quota: fairness is first between projects, then between their jobs.

    `job_id` is the job that a user submitted, thus the root of its family. `weight` counts
    within the project: a job of weight 2 gets twice what one of weight 1 gets.
    """

    project_id: str
    job_id: str
    weight: float = 1.0


class Governor(Protocol):
    """Paces the starts of all calls of one quota.

    `acquire` returns when a call may start, before all others of its flow if it is to be the
    `first`; raises QuotaExhausted while the quota is parked. `tokens` is asked when its turn comes
    near: an estimate made then knows more; what was reserved is returned. `release` notes that
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


class Purse(Protocol):
    """The money of a run. `reserve` is awaited before every call that may be billed: the first
    try of a request, a try after one of unknown end (no answer in time, connection lost), a hedge.
    What it raises (BudgetExhausted) ends the run as a used-up quota does.
    """

    async def reserve(self, request: GenerationRequest) -> None: ...


class Draining(Exception):  # noqa: N818  a signal, not an error
    """Raised by the `check` or the requests of a run to end it without haste: nothing more starts,
    and calls in flight are awaited as long as 15 s. Any other error of theirs gives one second.
    """
