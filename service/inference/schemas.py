"""What crosses HTTP: the state of quotas, and sums of usage."""

from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class QuotaView(BaseModel):
    """How one quota stands: one Google Cloud project, location and base model."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "quota",
                    "location": "us",
                    "base_model": "gemini-3.1-flash-lite",
                    "requests_per_minute": 4200.0,
                    "ceiling": 6000.0,
                    "tokens_per_minute": None,
                    "slow_start": False,
                    "last_cut_at": "2026-11-21T08:03:20Z",
                    "parked_until": None,
                    "waiting": 180,
                    "in_flight": 61,
                    "in_flight_limit": None,
                    "processes": 4,
                    "seen_at": "2026-11-21T08:04:12Z",
                }
            ]
        }
    )

    object: Literal["quota"] = "quota"
    location: str
    base_model: str = Field(description="tuned models share their base model's quota")
    requests_per_minute: float = Field(description="the rate at which calls start now")
    ceiling: float | None = Field(description="the quota that is configured; null: unknown")
    tokens_per_minute: float | None = Field(description="likewise; null: none is kept")
    slow_start: bool = Field(description="no 429 yet: the rate of an unknown quota still grows")
    last_cut_at: AwareDatetime | None = Field(description="when a 429 last slowed the calls down")
    parked_until: AwareDatetime | None = Field(description="the day is used up until then")
    waiting: int = Field(description="calls that wait for their start")
    in_flight: int
    in_flight_limit: int | None
    processes: int = Field(description="workers that make calls now")
    seen_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Calls and billed tokens, summed. `known_nano` sums what has a price; `unpriced` names the
    base models that have used what has none.
    """

    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    training_tokens: int = 0
    thinking_tokens: int = 0
    cached_tokens: int = 0
    known_nano: int = 0
    unpriced: tuple[str, ...] = ()

    @property
    def cost_nano(self) -> int | None:
        """The whole cost; None where a part of it has no price."""
        return None if self.unpriced else self.known_nano

    def __add__(self, other: "UsageTotals") -> "UsageTotals":
        return UsageTotals(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            training_tokens=self.training_tokens + other.training_tokens,
            thinking_tokens=self.thinking_tokens + other.thinking_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            known_nano=self.known_nano + other.known_nano,
            unpriced=tuple(sorted({*self.unpriced, *other.unpriced})),
        )
