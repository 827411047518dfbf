"""What crosses HTTP: the state of quotas."""

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
