"""Every setting, read once from the environment (prefix `TUNECURVE_`) and then frozen."""

import json
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class QuotaSetting(BaseModel):
    """What differs for one base model; what is left out is as for all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: float | None = Field(default=None, ge=0)
    tokens_per_minute: float | None = Field(default=None, ge=0)
    burst_seconds: float | None = Field(default=None, ge=0)
    in_flight: int | None = Field(default=None, ge=0)


class Settings(BaseSettings):
    """Defaults suit the embedded shape: SQLite and a local folder. See `.env.example`."""

    model_config = SettingsConfigDict(
        env_prefix="TUNECURVE_", env_file=".env", extra="ignore", frozen=True
    )

    data_dir: Path = Field(
        default=Path("~/.local/share/tunecurve"), description="folder of the embedded stack"
    )
    database_url: str = Field(default="", description="empty: SQLite in the data folder")
    redis_url: str = Field(default="", description="broker and quota governor")
    storage: str = Field(default="", description="`file:/folder` or `gs://bucket/prefix`")
    master_key: SecretStr = Field(
        default=SecretStr(""), description="derives webhook secrets; required to use webhooks"
    )
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    google_cloud_project: str = Field(default="", description="the project that pays")
    location: str = Field(default="us-central1", description="where tunings run")
    vertex_endpoint: str = Field(
        default="", description="`http://127.0.0.1:PORT` means an emulator; empty means Google"
    )
    base_model: str = Field(default="gemini-2.5-flash", description="used when a spec names none")
    catalogue: str = Field(
        default="",
        description="file like `service/catalogue/base_models.toml`, merged into it",
    )
    prices: str = Field(default="", description="deprecated: prices alone; use the catalogue")

    requests_per_minute: float = Field(
        default=0, ge=0, description="quota per base model; 0 is unknown: a slow start finds it"
    )
    tokens_per_minute: float = Field(default=0, ge=0, description="likewise; 0 is no limit")
    burst_seconds: float = Field(
        default=0.1, ge=0, description="share of quota usable at once; 0.1 where it is unknown"
    )
    quotas: Annotated[dict[str, QuotaSetting], NoDecode] = Field(
        default={}, description='JSON, by `base_model` or `location/base_model`: {"m": {...}}'
    )
    fleet_calls_in_flight: int = Field(
        default=0, ge=0, description="safety cap of all processes per base model; 0 is none"
    )
    calls_in_flight: int = Field(default=256, ge=1, description="safety cap of one run")
    call_timeout_seconds: float = Field(default=60, gt=0, description="deadline of one attempt")
    call_attempts: int = Field(default=6, ge=1, description="tries of one call; 429s not counted")
    hedge_stragglers: bool = Field(
        default=False, description="send a call twice that takes 1.5 x p99; 2 % of calls at most"
    )

    cache_days: float = Field(
        default=30, ge=0, description="how long an answer is used again; 0 turns it off"
    )
    cache_shared: bool = Field(default=False, description="projects see each other's answers")

    evaluate_slots: int = Field(
        default=2,
        ge=1,
        description="shares of a large evaluation at most; leave a slot to small ones",
    )
    prepare_shard_rows: int = Field(
        default=500_000, ge=0, description="a larger source is shared out in as many rows; 0: never"
    )
    count_tokens: bool = Field(
        default=True, description="the provider counts the tokens of 20 examples of a dataset"
    )
    lease_seconds: float = Field(default=30, gt=0, description="a job's worker must renew in time")
    job_attempts: int = Field(default=5, ge=1, description="claims of one job before it fails")
    redispatch_seconds: float = Field(default=20, gt=0, description="a lost ticket is sent again")
    ticker_seconds: float = Field(default=0.5, gt=0, description="pause between two sweeps")
    poll_seconds: float = Field(default=30, gt=0, description="pause between polls of a tuning")
    settle_seconds: float = Field(
        default=45, gt=0, description="after which an unanswered tuning request is listed or lost"
    )
    tuning_deadline_hours: float = Field(default=72, gt=0)
    queue_length_limit: int = Field(default=300, ge=1, description="tickets a queue may hold")

    open_jobs_limit: int = Field(default=1000, ge=1, description="open jobs of one project")
    upload_bytes_limit: int = Field(default=1 << 30, ge=1)
    body_bytes_limit: int = Field(default=1 << 20, ge=1)
    line_bytes_limit: int = Field(default=1 << 20, ge=1, description="one row of a data file")

    source_bytes_limit: int = Field(
        default=4 << 30, ge=1, description="one file of a dataset's source, as sent and expanded"
    )
    source_rows_limit: int = Field(default=20_000_000, ge=1)
    source_columns_limit: int = Field(default=1000, ge=1)
    cell_characters_limit: int = Field(default=1 << 17, ge=1, description="one cell of CSV")
    json_depth_limit: int = Field(default=64, ge=1, description="lists and objects in each other")
    json_bytes_limit: int = Field(
        default=256 << 20, ge=1, description="a JSON document that must be held as a whole"
    )
    parquet_memory_bytes: int = Field(
        default=2 << 30, ge=256 << 20, description="of the process that reads a Parquet source"
    )
    parquet_seconds: int = Field(default=1800, ge=1, description="of the same process")
    hub_endpoint: str = Field(
        default="", description="a mirror of the Hugging Face hub; empty means the hub itself"
    )
    hub_allow_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="networks that are not public where the mirror may be"
    )

    webhook_allow_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="networks that are not public yet allowed, e.g. 127.0.0.0/8"
    )
    webhook_ports: Annotated[tuple[int, ...], NoDecode] = Field(
        default=(443,), description="ports that webhooks may use; allowed networks may use any"
    )

    idempotency_hours: float = 24
    delivery_days: float = 30
    event_days: float = 90

    @field_validator("quotas", mode="before")
    @classmethod
    def _read_json(cls, value: object) -> object:
        # docker-compose passes what is not set as empty
        return json.loads(value or "{}") if isinstance(value, str) else value

    @field_validator("webhook_allow_networks", "webhook_ports", "hub_allow_networks", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return tuple(part for part in value.split(",") if part) if isinstance(value, str) else value

    @cached_property
    def folder(self) -> Path:
        """The data folder, absolute."""
        return self.data_dir.expanduser().absolute()

    @cached_property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.folder / 'tunecurve.db'}"

    @cached_property
    def resolved_storage(self) -> str:
        return self.storage or f"file:{self.folder / 'objects'}"

    @cached_property
    def emulated(self) -> bool:
        """True when calls go to an emulator on this machine, so results are synthetic."""
        return self.vertex_endpoint.startswith("http://")
