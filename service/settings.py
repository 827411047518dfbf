"""Every setting, read once from the environment (prefix `TUNECURVE_`) and then frozen."""

import json
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from service.errors import Fault, Invalid
from service.http_settings import HttpSettings, require_private_or_google
from service.retention_settings import RetentionSettings
from service.source_settings import SourceSettings


class QuotaSetting(BaseModel):
    """What differs for one base model; what is left out is as for all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: float | None = Field(default=None, ge=0)
    tokens_per_minute: float | None = Field(default=None, ge=0)
    burst_seconds: float | None = Field(default=None, ge=0)
    in_flight: int | None = Field(default=None, ge=0)


class Settings(RetentionSettings, SourceSettings, HttpSettings):
    """Defaults suit the embedded shape: SQLite and a local folder. See `.env.example`."""

    model_config = SettingsConfigDict(
        env_prefix="TUNECURVE_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    data_dir: Path = Field(
        default=Path("~/.local/share/tunecurve"),
        description="folder of the embedded stack: database, key, logs",
    )
    database_url: str = Field(
        default="", description="`postgresql://…`; empty means SQLite in the data folder"
    )
    redis_url: str = Field(
        default="",
        description=(
            "`redis://…`, `rediss://…` (its certificate is verified) or `unix://…`: broker and "
            "quota governor; `tunecurve up` starts a private server when it is empty"
        ),
    )
    redis_password: SecretStr = Field(
        default=SecretStr(""),
        description="password for `TUNECURVE_REDIS_URL`, of any characters, apart from it",
    )
    redis_prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_.:-]{0,60}$",
        description=(
            "how the keys of this installation's queues begin; empty: named after its database, so "
            "that installations on one Redis share no queue"
        ),
    )
    storage: str = Field(
        default="",
        description="`file:/folder` or `gs://bucket/prefix`; empty: a folder in the data folder",
    )
    master_key: SecretStr = Field(
        default=SecretStr(""),
        description="webhook secrets are derived from it; `tunecurve up` makes one",
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="`json` or `console`"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="`debug`, `info`, `warning` or `error`"
    )

    google_cloud_project: str = Field(default="", description="the project that pays")
    location: str = Field(default="us-central1", description="where tunings run")
    serving_location: str = Field(
        default="",
        description=(
            "where models are called; empty: where base and tuned models answer by the catalogue, "
            "nearest to `TUNECURVE_LOCATION`"
        ),
    )
    vertex_endpoint: str = Field(
        default="",
        description=(
            "address of an emulator (`http://…`), or `https://…` below `googleapis.com`; empty "
            "means Google"
        ),
    )
    base_model: str = Field(
        default="gemini-3.1-flash-lite", description="used when a job names none"
    )
    catalogue: str = Field(
        default="",
        description="file like `service/catalogue/base_models.toml`, merged into it",
    )
    metrics_folder: str = Field(
        default="",
        description="folder of your own metrics: one Python file each with a function `earned`",
    )
    prices: str = Field(default="", description="deprecated: prices alone; use the catalogue")

    local_models: str = Field(
        default="", description="folder of base models that are tuned here, as `local:NAME`"
    )
    local_threads: int = Field(
        default=0, ge=0, description="processors that a local model uses; `0`: all but one"
    )
    local_memory_bytes: int = Field(
        default=0, ge=0, description="memory that a local model may use; `0`: what is available"
    )

    requests_per_minute: float = Field(
        default=0,
        ge=0,
        description=(
            "calls a minute for each base model, all workers together; `0` means unknown: a "
            "slow start finds it"
        ),
    )
    tokens_per_minute: float = Field(
        default=0,
        ge=0,
        description="tokens a minute for each base model, all workers together; `0` means no limit",
    )
    burst_seconds: float = Field(
        default=0.1,
        ge=0,
        description=(
            "how many seconds of that quota the provider lets be used at once; `0.1` where "
            "that is unknown"
        ),
    )
    quotas: Annotated[dict[str, QuotaSetting], NoDecode] = Field(
        default={},
        description=(
            'what differs for a model, as JSON: `{"gemini-3.1-flash-lite": {"requests_per_minute": '
            '1000, "tokens_per_minute": 4000000, "burst_seconds": 1, "in_flight": 500}}`; the '
            "name may be `location/model`"
        ),
    )
    fleet_calls_in_flight: int = Field(
        default=0,
        ge=0,
        description=(
            "calls that all workers together keep open for each base model at most; `0` means "
            "no limit"
        ),
    )
    calls_in_flight: int = Field(
        default=256, ge=1, description="calls that one run keeps open at most"
    )
    call_timeout_seconds: float = Field(
        default=60, gt=0, description="time for one call to the model"
    )
    call_attempts: int = Field(
        default=6, ge=1, description="attempts of one call; refusals for quota are not counted"
    )
    hedge_stragglers: bool = Field(
        default=False,
        description=(
            "send a call a second time when it takes 1.5 times as long as 99 % of the others; "
            "at most 2 % of calls, which may be paid for twice"
        ),
    )

    cache_shared: bool = Field(default=False, description="projects use each other's answers")

    evaluate_slots: int = Field(
        default=2,
        ge=1,
        description=(
            "shards of a large evaluation at most; leave one slot of the workers to small ones"
        ),
    )
    prepare_shard_rows: int = Field(
        default=500_000,
        ge=0,
        description=(
            "a source of more rows is split into shards of this size for all workers of the "
            "queue `prepare`; `0` keeps it on one worker"
        ),
    )
    prepare_memory_bytes: int = Field(
        default=4 << 30, ge=256 << 20, description="memory of a worker process while it prepares"
    )
    count_tokens: bool = Field(
        default=True,
        description=(
            "Vertex AI counts the tokens of 20 examples of each dataset, so that estimates "
            "state their error; needs a Google Cloud project"
        ),
    )
    lease_seconds: float = Field(
        default=30,
        gt=0,
        description=(
            "a worker that does not renew the lease of its job in this time loses the job to "
            "another"
        ),
    )
    job_attempts: int = Field(default=5, ge=1, description="attempts of one job before it fails")
    redispatch_seconds: float = Field(
        default=20,
        gt=0,
        description="a task message that no worker has taken in this time is sent again",
    )
    ticker_seconds: float = Field(
        default=0.5, gt=0, description="pause between two sweeps of the ticker"
    )
    poll_seconds: float = Field(
        default=30, gt=0, description="shortest pause between two polls of a tuning or batch"
    )
    longest_poll_seconds: float = Field(
        default=300,
        gt=0,
        description="longest pause between two polls, of a tuning that is far from its end",
    )
    settle_seconds: float = Field(
        default=45,
        gt=0,
        description="an unanswered request is listed by Google after this time, or lost; 40 or up",
    )
    concurrent_tunings: int | None = Field(
        default=None, ge=0, description="tunings at once at Google, 1 without it; 0: no limit"
    )
    tuning_deadline_hours: float = Field(
        default=72, gt=0, description="a tuning that takes longer is cancelled"
    )
    queue_length_limit: int = Field(
        default=300, ge=1, description="task messages that a queue holds at most"
    )

    idempotency_hours: float = Field(
        default=24, description="how long an `Idempotency-Key` is valid"
    )

    @field_validator("quotas", mode="before")
    @classmethod
    def _read_json(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("vertex_endpoint")
    @classmethod
    def _check_endpoint(cls, value: str) -> str:
        return require_private_or_google(value)

    @cached_property
    def folder(self) -> Path:
        """The data folder, absolute. Raises Invalid where its home folder is not known."""
        try:
            return self.data_dir.expanduser().absolute()
        except RuntimeError as error:
            message = (
                f"the home folder of {self.data_dir} is not known: set HOME or TUNECURVE_DATA_DIR"
            )
            raise Invalid(message, code="no_home_folder") from error

    @cached_property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.folder / 'tunecurve.db'}"

    @cached_property
    def resolved_redis_url(self) -> str:
        """The URL with the password in it; one that stands there already goes first."""
        password, parts = self.redis_password.get_secret_value(), urlsplit(self.redis_url)
        if not password or "@" in parts.netloc or parts.scheme == "unix":
            return self.redis_url
        return parts._replace(netloc=f":{quote(password, safe='')}@{parts.netloc}").geturl()

    @cached_property
    def resolved_storage(self) -> str:
        return self.storage or f"file:{self.folder / 'objects'}"

    @cached_property
    def emulated(self) -> bool:
        """True when calls go to an emulator on this machine, so results are synthetic."""
        return self.vertex_endpoint.startswith("http://")


def read_settings() -> Settings:
    """Return the settings of the environment; raises Invalid `invalid_setting` that names each
    wrong one, without its value: that may be a secret.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = [
            Fault(f"TUNECURVE_{str(each['loc'][0]).upper()}", "invalid_setting", _why(each["msg"]))
            for each in error.errors(include_input=False, include_url=False)
        ]
        message = "; ".join(f"{fault.pointer}: {fault.message}" for fault in faults)
        raise Invalid(message, code="invalid_setting", faults=faults) from None


def _why(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should be", "is to be")
