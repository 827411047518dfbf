"""What inference asks of the outside: one call that generates text, and permits to make it."""

from collections.abc import Mapping
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
    `base_model` is what the quota counts: endpoints share their base model's.
    """

    key: str
    target: str
    base_model: str
    location: str
    contents: tuple[Turn, ...]
    temperature: float = 0.0
    max_output_tokens: int = 1024
    seed: int | None = None


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


class Governor(Protocol):
    """Paces starts: `acquire` returns when a call may start, `refused` reports a 429."""

    async def acquire(self) -> None: ...

    async def refused(self) -> None: ...

    async def close(self) -> None: ...
