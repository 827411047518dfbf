"""A hyperparameter sweep: the configurations that an experiment tunes with, each once. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.tuning.schemas import HyperparametersSpec

CELLS_LIMIT = 500  # variants of one sweep; each may be a tuning that is paid for

Epochs = Annotated[int, Field(ge=1, le=100)]
RateMultiplier = Annotated[float, Field(gt=0, le=10)]
AdapterSize = Literal[1, 2, 4, 8, 16, 32]
Shots = Annotated[int, Field(ge=0, le=100)]
SweepPresetName = Literal["defaults", "five_starting_points", "google_sft_guide"]


@dataclass(frozen=True, slots=True)
class SweepPreset:
    """Configurations that are recommended, with where they were read."""

    configurations: tuple[HyperparametersSpec, ...]
    source: str
    as_of: str


def _configurations(*given: tuple[int, float, int]) -> tuple[HyperparametersSpec, ...]:
    return tuple(
        HyperparametersSpec.model_validate(
            {"epochs": epochs, "learning_rate_multiplier": rate, "adapter_size": adapter}
        )
        for epochs, rate, adapter in given
    )


PRESETS: Mapping[SweepPresetName, SweepPreset] = {
    "defaults": SweepPreset(
        (HyperparametersSpec(),),
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
    shots: tuple[Shots, ...] = Field(
        default=(),
        max_length=6,
        description="ask each tuned model with each of these numbers of shots; empty: with none",
    )


def configurations_of(
    sweep: SweepSpec | None, base: HyperparametersSpec
) -> tuple[HyperparametersSpec, ...]:
    """Return the hyperparameters to tune with, each once: those of the preset, then the grid."""
    if sweep is None:
        return (base,)
    preset = PRESETS[sweep.preset].configurations if sweep.preset else ()
    return tuple(dict.fromkeys([*preset, *_grid(sweep, base)]))


def _grid(sweep: SweepSpec, base: HyperparametersSpec) -> Iterator[HyperparametersSpec]:
    axes: Mapping[str, Sequence[float]] = {
        "epochs": sweep.epochs,
        "learning_rate_multiplier": sweep.learning_rate_multipliers,
        "adapter_size": sweep.adapter_sizes,
    }
    given = {name: values for name, values in axes.items() if values}
    if sweep.preset and not given:
        return
    for cell in product(*given.values()):
        fields = base.model_dump() | dict(zip(given, cell, strict=True))
        yield HyperparametersSpec.model_validate(fields)


def configuration_name(configuration: HyperparametersSpec) -> str:
    """Return a configuration in short, such as "e4 lr1 a1"; what the service chooses is left out.

    Empty where the service chooses all of it.
    """
    fields = {
        "e": configuration.epochs,
        "lr": configuration.learning_rate_multiplier,
        "a": configuration.adapter_size,
    }
    return " ".join(f"{name}{value:g}" for name, value in fields.items() if value is not None)


def variant_configuration(hyperparameters: Mapping[str, Any] | None) -> str:
    """Return the name of a variant's configuration, of its hyperparameters as they are kept."""
    return configuration_name(HyperparametersSpec.model_validate(hyperparameters or {}))
