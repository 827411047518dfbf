"""The base models that are served: where they answer and can be tuned, and what they cost, as data.

The emulator plays Google, so this table is its own and shares nothing with the service's catalogue;
a test holds the two against each other. Prices are third-party quotations and not read from
Google's own page: good for counting in tests, not for bills.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_MILLION = 1_000_000
_GLOBAL = "global"
_BATCH = 0.5
_QUOTED = "third-party quotations of cloud.google.com/gemini-enterprise-agent-platform pricing"
_SIZES = ("ONE", "TWO", "FOUR", "EIGHT", "SIXTEEN")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens, thoughts as output; training counts each epoch.

    Calls of tuned models cost `tuned_factor` as much (None: unknown), calls at a location other
    than `global` `regional_factor` as much, rows of a batch half.
    """

    training: float | None
    prompt: float
    output: float
    tuned_factor: float | None = 1.0
    regional_factor: float = 1.0
    source: str = _QUOTED
    as_of: str = "2026-09"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """One base model; `retired` is the day it ended, and its old recordings are still answered.

    Without `locations` the model answers at every location. `tuned_locations` maps each tuning
    region to where the tuned model answers; None: any region, which is also where it answers.
    """

    price: Price
    retired: str | None = None
    retires_not_before: str | None = None
    locations: tuple[str, ...] = ()
    tuned_locations: Mapping[str, str] | None = None
    adapter_sizes: tuple[str, ...] = _SIZES
    honours_sampling: bool = True
    accepts_penalties: bool = True
    has_tuned_batch: bool = True
    takes_preferences: bool = False

    def answers_at(self, location: str) -> bool:
        return not self.locations or location in self.locations

    def tuned_location(self, region: str) -> str | None:
        """Return where a model tuned in a region answers; None for a region without tuning."""
        if self.tuned_locations is not None:
            return self.tuned_locations.get(region)
        return region if "-" in region else None


def _third_generation(price: Price, *, until: str, honours_sampling: bool = True) -> BaseModel:
    return BaseModel(
        price,
        retires_not_before=until,
        locations=(_GLOBAL, "us", "eu"),
        tuned_locations={"us-central1": "us", "europe-west4": "eu"},
        honours_sampling=honours_sampling,
        accepts_penalties=honours_sampling,
        has_tuned_batch=False,
    )


_ENDED = "2026-10-20"
MODELS: Mapping[str, BaseModel] = {
    "gemini-3.5-flash": _third_generation(
        Price(10, 1.50, 9.00, tuned_factor=1.5, regional_factor=1.1), until="2027-05-19"
    ),
    "gemini-3.5-flash-lite": _third_generation(
        Price(None, 0.30, 2.50, tuned_factor=None, regional_factor=1.1, as_of="2026-09-17"),
        until="2027-07-21",
        honours_sampling=False,
    ),
    "gemini-3.1-flash-lite": _third_generation(
        Price(3, 0.25, 1.50, tuned_factor=1.5, regional_factor=1.1), until="2027-05-07"
    ),
    "gemini-2.5-pro": BaseModel(
        Price(25, 1.25, 10), retired=_ENDED, adapter_sizes=("ONE", "TWO", "FOUR", "EIGHT")
    ),
    "gemini-2.5-flash": BaseModel(Price(5, 0.30, 2.50), retired=_ENDED, takes_preferences=True),
    "gemini-2.5-flash-lite": BaseModel(
        Price(1.5, 0.10, 0.40), retired=_ENDED, takes_preferences=True
    ),
}
"""By name. Second-hand quotations of Google's pages, read in November 2026."""


def bare_name(text: str) -> str:
    """Return the name in `publishers/google/models/NAME` or `NAME@version`."""
    return text.rsplit("/", 1)[-1].partition("@")[0]


def generation_cost(
    base_model: str,
    *,
    location: str,
    tuned: bool,
    prompt_tokens: int,
    output_tokens: int,
    batch: bool = False,
) -> float | None:
    """Return dollars, or None where no price is known; `output_tokens` include thoughts."""
    model = MODELS.get(base_model)
    if model is None:
        return None
    price = model.price
    factor = price.tuned_factor if tuned else 1.0
    if factor is None:
        return None
    factor *= (_BATCH if batch else 1.0) * (1.0 if location == _GLOBAL else price.regional_factor)
    dollars = prompt_tokens * price.prompt + output_tokens * price.output
    return factor * dollars / _MILLION


def tuning_cost(base_model: str, *, trained_tokens: int) -> float | None:
    """Return dollars for the tokens of all epochs, or None where no price is known."""
    model = MODELS.get(base_model)
    if model is None or model.price.training is None:
        return None
    return trained_tokens * model.price.training / _MILLION


def describe_prices() -> dict[str, Any]:
    return {name: asdict(model.price) for name, model in MODELS.items()}
