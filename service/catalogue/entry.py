"""What is known of one base model: each group of facts with its source and date."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.catalogue.local_names import LOCAL_BASE_PATTERN

# A plain name, as a slash would reach other resources of the provider, and other quotas; or the
# name of a local model, which reaches no provider.
BASE_MODEL_PATTERN = rf"^([a-z0-9][a-z0-9.@_-]{{0,127}}|{LOCAL_BASE_PATTERN})$"
Rate = Annotated[Decimal, Field(ge=0, le=10_000, max_digits=10, decimal_places=6)]
Factor = Annotated[Decimal, Field(gt=0, le=100, max_digits=8, decimal_places=4)]


class BaseModelState(StrEnum):
    """Whether a base model can be tuned and called, only called, or neither."""

    TUNABLE = "tunable"
    SERVING_ONLY = "serving_only"
    RETIRED = "retired"


class SettingEffect(StrEnum):
    """What a model does with a sampling setting that a call names."""

    HONOURED = "honoured"
    IGNORED = "ignored"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What is added to each call of a model, and the settings that it must not be sent.

    `response_format` are members of `generationConfig` that hold answers to a schema, as JSON;
    `logprobs` asks for the log-probabilities of the tokens of answers.
    """

    thinking: tuple[tuple[str, str | int], ...] = ()
    refused: frozenset[str] = frozenset()
    response_format: str = ""
    logprobs: bool = False


NO_SETTINGS = CallSettings()


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(min_length=1, max_length=500)
    as_of: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$")


class Lifecycle(_Facts):
    """`retires` is the earliest date that was announced, `retired` the day it happened."""

    state: BaseModelState
    retires: date | None = None
    retired: date | None = None
    extended_until: date | None = Field(default=None, description="end of paid extended access")


class Tuning(_Facts):
    """How a base model is tuned; no `regions` means that they are not known.

    Null where it is not known: `cmek`, whether a key of one's own encrypts tuned models, and
    `evaluation_regions`, where the provider evaluates checkpoints.
    """

    regions: tuple[str, ...]
    adapter_sizes: tuple[int, ...]
    methods: tuple[str, ...]
    cmek: bool | None = None
    evaluation_regions: tuple[str, ...] | None = None


class ObservedEpochs(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int
    epochs: int


class Epochs(_Facts):
    """How many epochs the provider chooses, by the size of the training file.

    Estimates count `assumed` for small files, for larger ones as many as see `assumed_rows` rows
    in all, at least `assumed_least`.
    """

    assumed: int = Field(ge=1)
    assumed_rows: int = Field(ge=1)
    assumed_least: int = Field(ge=1)
    observed: tuple[ObservedEpochs, ...] = ()

    def assumed_for(self, rows: int) -> int:
        """Return how many epochs an estimate counts for a training file of so many rows."""
        wanted = min(self.assumed, round(self.assumed_rows / rows))
        return max(min(self.assumed, self.assumed_least), wanted)


class Serving(_Facts):
    """Where the base and the tuned model answer (empty: anywhere), and which has batches."""

    base: tuple[str, ...]
    tuned: tuple[str, ...]
    batch_base: bool
    batch_tuned: bool


class Limits(_Facts):
    """Limits of a tuning. Validation rows beyond `validation_rows_free` may be no more than
    `validation_share` of the training rows.
    """

    tokens_per_example: int
    training_rows: int
    file_bytes: int
    validation_rows: int
    validation_rows_free: int
    validation_share: float
    advised_rows: int


class Sampling(_Facts):
    """What a model does with each setting of a call."""

    temperature: SettingEffect
    top_p: SettingEffect
    top_k: SettingEffect
    seed: SettingEffect


class LeastThinking(_Facts):
    """The `thinkingConfig` with the least thinking; empty where it cannot be set."""

    setting: dict[str, str | int]


class Price(_Facts):
    """US dollars for a million tokens, and factors. No `training` or `tuned_factor` means that
    the price is not known; cached input without a price of its own costs what input does.
    """

    input: Rate
    output: Rate
    cached_input: Rate | None = None
    training: Rate | None = None
    long_prompt_tokens: int | None = Field(default=None, ge=1)
    long_input: Rate | None = None
    long_output: Rate | None = None
    batch_factor: Factor = Decimal(1)
    tuned_factor: Factor | None = None
    regional_factor: Factor = Decimal(1)

    @model_validator(mode="after")
    def _long_prompts_are_whole(self) -> Self:
        parts = (self.long_prompt_tokens, self.long_input, self.long_output)
        if any(part is None for part in parts) and any(part is not None for part in parts):
            message = "long_prompt_tokens, long_input and long_output come together"
            raise ValueError(message)
        return self


class ModelEntry(BaseModel):
    """All that is known of one base model; `listed` is false for one the catalogue lacks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    listed: bool = Field(default=True, exclude=True)
    family: str = ""
    line: str = Field(default="", description="what its provider trains alike; empty: by name")
    lifecycle: Lifecycle | None = Field(default=None, description="null: not known")
    tuning: Tuning
    epochs: Epochs
    serving: Serving
    limits: Limits
    sampling: Sampling
    thinking: LeastThinking
    prices: Price | None = Field(default=None, description="null: not known")

    @property
    def call_settings(self) -> CallSettings:
        effects = self.sampling.model_dump(exclude={"source", "as_of"})
        refused = (name for name, effect in effects.items() if effect is SettingEffect.REFUSED)
        return CallSettings(tuple(sorted(self.thinking.setting.items())), frozenset(refused))

    @property
    def is_retired(self) -> bool:
        return self.lifecycle is not None and self.lifecycle.state is BaseModelState.RETIRED

    @property
    def is_tunable(self) -> bool:
        return self.lifecycle is None or self.lifecycle.state is BaseModelState.TUNABLE

    def retirement_due(self, today: date) -> date | None:
        """Return the announced or past date of retirement, where `today` has reached it."""
        lifecycle = self.lifecycle
        day = lifecycle and (lifecycle.retired or lifecycle.retires)
        return day if day and day <= today else None
