"""What a model's tuning allows, read from `limits.toml`."""

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """Limits of one base model; `known` is false for one the catalogue lacks.

    Validation rows beyond `validation_rows_free` may be `validation_share` of the training rows.
    """

    model: str
    known: bool
    tokens_per_example: int
    training_rows: int
    file_bytes: int
    validation_rows: int
    validation_rows_free: int
    validation_share: float
    advised_rows: int
    dollars_per_million_tokens: float | None
    retires: date | None


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    as_of: str


@cache
def _catalogue() -> dict[str, Any]:
    return tomllib.loads(files("service.datasets").joinpath("limits.toml").read_text("utf-8"))


def limits_of_model(model: str) -> ModelLimits:
    """Return the limits of a base model; one that is not known gets the general ones."""
    catalogue = _catalogue()
    own: dict[str, Any] | None = catalogue["models"].get(model)
    found = {**catalogue["default"], **(own or {})}
    retires = found.pop("retires", None)
    return ModelLimits(
        model=model,
        known=own is not None,
        dollars_per_million_tokens=found.pop("dollars_per_million_tokens", None),
        retires=date.fromisoformat(retires) if retires else None,
        **found,
    )


def known_models() -> tuple[str, ...]:
    return tuple(sorted(_catalogue()["models"]))


def source_of(figures: str) -> Source:
    """Return where figures come from: `limits`, `prices` or `retirement`."""
    return Source(**_catalogue()["source"][figures])
