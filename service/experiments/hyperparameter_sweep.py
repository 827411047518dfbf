"""A hyperparameter sweep: the configurations that an experiment tunes with, each once. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.tuning.local_spec import LocalTrainingSpec
from service.tuning.schemas import HyperparametersSpec

CELLS_LIMIT = 500  # variants of one sweep; each may be a tuning that is paid for

Epochs = Annotated[int, Field(ge=1, le=100)]
RateMultiplier = Annotated[float, Field(gt=0, le=10)]
AdapterSize = Literal[1, 2, 4, 8, 16, 32]
Rate = Annotated[float, Field(gt=0, le=1)]
BatchSize = Annotated[int, Field(ge=1, le=1024)]
Prompt = Annotated[str, Field(max_length=20_000)]
Shots = Annotated[int, Field(ge=0, le=100)]
SweepPresetName = Literal["defaults", "five_starting_points", "google_sft_guide"]


class ConfigurationSpec(HyperparametersSpec):
    """All that the tunings of a sweep differ in, but for their train size.

    `learning_rate` and `batch_size` are of local trainings; `prompt` counts the instructions of the
    sweep from 1, None is the dataset's own.
    """

    learning_rate: float | None = None
    batch_size: int | None = None
    prompt: int | None = None

    @property
    def shared(self) -> HyperparametersSpec:
        """Return what providers have in common."""
        fields = set(HyperparametersSpec.model_fields)
        return HyperparametersSpec.model_validate(self.model_dump(include=fields))

    def training(self, local: LocalTrainingSpec | None) -> LocalTrainingSpec | None:
        """Return how a local model is trained; None for the provider's own choice."""
        axes = {"learning_rate": self.learning_rate, "batch_size": self.batch_size}
        swept = {name: value for name, value in axes.items() if value is not None}
        return (local or LocalTrainingSpec()).model_copy(update=swept) if swept else local


@dataclass(frozen=True, slots=True)
class SweepPreset:
    """Configurations that are recommended, with where they were read."""

    configurations: tuple[ConfigurationSpec, ...]
    source: str
    as_of: str


def _configurations(*given: tuple[int, float, int]) -> tuple[ConfigurationSpec, ...]:
    return tuple(
        ConfigurationSpec.model_validate(
            {"epochs": epochs, "learning_rate_multiplier": rate, "adapter_size": adapter}
        )
        for epochs, rate, adapter in given
    )


PRESETS: Mapping[SweepPresetName, SweepPreset] = {
    "defaults": SweepPreset(
        (ConfigurationSpec(),),
        "Vertex AI, supervised fine-tuning, page on how to use it: the first run of a new base "
        "model, also of a migration, leaves everything to the service",
        "2026-09-25",
    ),
    "five_starting_points": SweepPreset(
        _configurations((2, 1, 1), (4, 1, 1), (6, 1, 4), (12, 4, 4), (12, 4, 1)),
        "Google's guide to tuning text models with Gemini, starting points for 500 to 1,000 "
        "examples: evaluate one or two, then tune the promising ones",
        "2024",
    ),
    "google_sft_guide": SweepPreset(
        _configurations((20, 10, 4), (10, 1, 4), (10, 5, 4)),
        "Google Cloud blog, Supervised Fine Tuning for Gemini: A best practices guide: the first "
        "for under 1,000 short examples, the others for more or longer ones [2nd]",
        "2025-01-07",
    ),
}


class SweepSpec(BaseModel):
    """Compare tunings with other hyperparameters: a grid, a preset, or both.

    An axis that is left out has what `hyperparameters` says. Equal cells are tuned once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: SweepPresetName | None = Field(
        default=None, description="configurations that are recommended"
    )
    epochs: tuple[Epochs, ...] = Field(
        default=(), max_length=20, description="passes over the training rows"
    )
    learning_rate_multipliers: tuple[RateMultiplier, ...] = Field(
        default=(), max_length=20, description="factors on the learning rate of the service"
    )
    adapter_sizes: tuple[AdapterSize, ...] = Field(
        default=(), max_length=6, description="ranks of the adapter (LoRA)"
    )
    learning_rates: tuple[Rate, ...] = Field(
        default=(), max_length=20, description="of local trainings, absolute"
    )
    batch_sizes: tuple[BatchSize, ...] = Field(
        default=(), max_length=10, description="of local trainings: rows of one step"
    )
    prompts: tuple[Prompt, ...] = Field(
        default=(),
        max_length=10,
        description="other instructions, beside the dataset's own: models are tuned with each, and "
        "asked with the one they were tuned with",
    )
    shots: tuple[Shots, ...] = Field(
        default=(),
        max_length=6,
        description="ask each tuned model with each of these numbers of shots; empty: with none",
    )


def configurations_of(
    sweep: SweepSpec | None, base: HyperparametersSpec
) -> tuple[ConfigurationSpec, ...]:
    """Return what to tune with, each once: the preset, then the grid, then both with each prompt of
    the sweep.
    """
    if sweep is None:
        return (ConfigurationSpec.model_validate(base.model_dump()),)
    preset = PRESETS[sweep.preset].configurations if sweep.preset else ()
    found = tuple(dict.fromkeys([*preset, *_grid(sweep, base)]))
    numbers = (None, *range(1, len(sweep.prompts) + 1))
    return tuple(each.model_copy(update={"prompt": at}) for at in numbers for each in found)


def _grid(sweep: SweepSpec, base: HyperparametersSpec) -> Iterator[ConfigurationSpec]:
    axes: Mapping[str, Sequence[float]] = {
        "epochs": sweep.epochs,
        "learning_rate_multiplier": sweep.learning_rate_multipliers,
        "adapter_size": sweep.adapter_sizes,
        "learning_rate": sweep.learning_rates,
        "batch_size": sweep.batch_sizes,
    }
    given = {name: values for name, values in axes.items() if values}
    if sweep.preset and not given:
        return
    for cell in product(*given.values()):
        fields = base.model_dump() | dict(zip(given, cell, strict=True))
        yield ConfigurationSpec.model_validate(fields)


_NAMES = {
    "e": "epochs",
    "lr": "learning-rate multiplier",
    "a": "adapter size",
    "rate": "learning rate",
    "b": "batch size",
    "p": "prompt",
}
_PART = re.compile(r"([a-z]+)(\S+)")


def configuration_name(configuration: ConfigurationSpec) -> str:
    """Return a configuration in short, such as "e4 lr1 a1 p2" for epochs, multiplier, adapter and
    the second prompt; "rate" is a learning rate and "b" a batch size of local trainings. What the
    service chooses is left out: empty where it chooses all.
    """
    fields = {
        "e": configuration.epochs,
        "lr": configuration.learning_rate_multiplier,
        "a": configuration.adapter_size,
        "rate": configuration.learning_rate,
        "b": configuration.batch_size,
        "p": configuration.prompt,
    }
    return " ".join(f"{name}{value:g}" for name, value in fields.items() if value is not None)


def configuration_words(short: str) -> str:
    """Return what `configuration_name` shortened, such as "epochs 4, adapter size 1 (e4 a1)"."""
    if not short:
        return "the service's own choice"
    parts = (f"{_NAMES[name]} {value}" for name, value in _PART.findall(short))
    return f"{', '.join(parts)} ({short})"


def variant_configuration(hyperparameters: Mapping[str, Any] | None) -> str:
    """Return the name of a variant's configuration, of its hyperparameters as they are kept."""
    return configuration_name(ConfigurationSpec.model_validate(hyperparameters or {}))
