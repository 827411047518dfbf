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
                    "key": "us/gemini-3.1-flash-lite",
                    "google_project": "support-lab",
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
                    "paused": False,
                    "processes": 4,
                    "seen_at": "2026-11-21T08:04:12Z",
                }
            ]
        }
    )

    object: Literal["quota"] = "quota"
    key: str = Field(description="location and base model: what PATCH takes")
    google_project: str = Field(description="Google Cloud project that counts; empty: an emulator")
    location: str
    base_model: str = Field(description="tuned models share their base model's quota")
    requests_per_minute: float = Field(description="the rate at which calls start now")
    ceiling: float | None = Field(description="the quota as it is set; null: unknown")
    tokens_per_minute: float | None = Field(description="likewise; null: none is kept")
    slow_start: bool = Field(description="no 429 yet: the rate of an unknown quota still grows")
    last_cut_at: AwareDatetime | None = Field(description="when a 429 last slowed the calls down")
    parked_until: AwareDatetime | None = Field(description="the day is used up until then")
    waiting: int = Field(description="calls that wait for their start")
    in_flight: int
    in_flight_limit: int | None
    paused: bool = Field(description="by PATCH: no call starts until it is resumed")
    processes: int = Field(description="workers that make calls now")
    seen_at: AwareDatetime


class QuotaChange(BaseModel):
    """What to set for a quota while jobs run; null takes what was set back, to the settings."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"paused": True}]}
    )

    paused: bool | None = Field(default=None, description="true: no call starts; jobs wait")
    requests_per_minute: float | None = Field(
        default=None, gt=0, le=10_000_000, description="the ceiling; calls keep to it at once"
    )
    tokens_per_minute: float | None = Field(
        default=None, gt=0, le=1e12, description="of prompts and answers together"
    )
    in_flight_limit: int | None = Field(
        default=None, ge=1, le=1_000_000, description="calls under way in all workers together"
    )


class QuotaControlView(BaseModel):
    """What is set for a quota over the settings; it holds until it is changed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "quota_control",
                    "key": "us/gemini-3.1-flash-lite",
                    "paused": True,
                    "requests_per_minute": 300.0,
                    "tokens_per_minute": None,
                    "in_flight_limit": None,
                }
            ]
        }
    )

    object: Literal["quota_control"] = "quota_control"
    key: str = Field(description="location and base model")
    paused: bool = Field(description="no call starts until it is resumed")
    requests_per_minute: float | None = Field(description="null: as the settings say")
    tokens_per_minute: float | None = Field(description="null: as the settings say")
    in_flight_limit: int | None = Field(description="null: as the settings say")
