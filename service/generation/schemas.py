"""What crosses HTTP about single calls."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.evaluation.generation_schemas import Thinking
from service.ids import Prefix, id_pattern
from service.inference.ports import Outcome
from service.money import CURRENCY

_EXAMPLE: dict[str, Any] = {
    "text": "Ada Lovelace was born in London.",
    "system": "Mask personal data.",
    "max_output_tokens": 256,
}
_ANSWER: dict[str, Any] = {
    "object": "generation",
    "model": "model_01jd5v3q8e7z2m4n6p8r0s2t4v",
    "base_model": "gemini-3.1-flash-lite",
    "target": "projects/123/locations/us/endpoints/789",
    "location": "us",
    "text": "[GIVENNAME] [SURNAME] was born in [CITY].",
    "outcome": "ok",
    "finish_reason": "STOP",
    "prompt_tokens": 14,
    "output_tokens": 12,
    "thinking_tokens": 0,
    "cached_tokens": 0,
    "uncounted": False,
    "currency": "USD",
    "cost": "0.000021",
    "attempts": 1,
    "latency_ms": 412,
    "synthetic": False,
    "unlisted_model": False,
}


class GenerateRequest(BaseModel):
    """One text for a model, and how it is to be answered."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [_EXAMPLE]}
    )

    text: str = Field(min_length=1, max_length=500_000, description="what the user says")
    system: str = Field(
        default="", max_length=100_000, description="system instruction; empty: none"
    )
    dataset: str | None = Field(
        default=None,
        pattern=id_pattern(Prefix.DATASET),
        description="put the text as this dataset puts its inputs: as its tuned models learnt it",
    )
    temperature: float = Field(default=0.0, ge=0, le=2, description="0: the likeliest answer")
    max_output_tokens: int = Field(default=1024, ge=1, le=65536, description="length at most")
    seed: int | None = Field(default=None, ge=0, le=2**31 - 1, description="null: the model's own")
    thinking: Thinking = Field(
        default=Thinking.LEAST, description="`default` lets the model decide, and is billed"
    )
    stream: bool = Field(default=False, description="answer piece by piece, as events")
    allow_unlisted_model: bool = Field(
        default=False, description="use a base model that is unknown or retired; the answer says so"
    )


class GeneratedText(BaseModel):
    """What a model has answered, and what that cost."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ANSWER]})

    object: Literal["generation"] = "generation"
    model: str = Field(description="id of the tuned model, or name of the base model")
    base_model: str = Field(description="whose quota and price it was")
    target: str = Field(description="what was called: an endpoint's resource name, or a base model")
    location: str = Field(description="where it was called")
    text: str = Field(description="the answer; empty unless the outcome is `ok` or `truncated`")
    outcome: Outcome = Field(description="how the call ended; never `failed`")
    finish_reason: str = Field(description="the provider's word for why the answer ended")
    prompt_tokens: int
    output_tokens: int
    thinking_tokens: int
    cached_tokens: int
    uncounted: bool = Field(description="tokens are our estimate: the provider gave no counts")
    currency: Literal["USD"] = CURRENCY
    cost: str | None = Field(description="decimal string, all tries; null: no price is known")
    attempts: int = Field(description="tries, refusals for quota not counted")
    latency_ms: int | None = Field(description="of the answered try, without waits before it")
    synthetic: bool = Field(description="answered by the emulator, not by Gemini")
    unlisted_model: bool = Field(description="unknown or retired, used as the request allowed")
