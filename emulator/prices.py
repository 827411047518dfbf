"""What a user would have paid: list prices in US dollars for a million tokens, as data.

Quoted by third parties and not read from Google's own page: good for counting in tests, not for
bills. Tuned Gemini 3 models cost half as much again as their base, batches half of what calls cost;
thoughts count as output.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_MILLION = 1_000_000
_TUNED_GEMINI_3 = 1.5
_BATCH = 0.5


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens; training counts the tokens of the rows once for each epoch."""

    training: float | None
    prompt: float
    output: float
    source: str
    as_of: str


_QUOTED = "third-party quotations of cloud.google.com/gemini-enterprise-agent-platform pricing"
CATALOGUE: Mapping[str, Price] = {
    "gemini-2.5-pro": Price(25, 1.25, 10, _QUOTED, "2026-09"),
    "gemini-2.5-flash": Price(5, 0.30, 2.50, _QUOTED, "2026-09"),
    "gemini-2.5-flash-lite": Price(1.5, 0.10, 0.40, _QUOTED, "2026-09"),
    "gemini-3.5-flash": Price(10, 1.50, 9.00, _QUOTED, "2026-09"),
    "gemini-3.1-flash-lite": Price(3, 0.25, 1.50, _QUOTED, "2026-09"),
    "gemini-3.5-flash-lite": Price(None, 0.30, 2.50, _QUOTED, "2026-09-17"),
}


def generation_cost(
    base_model: str, *, tuned: bool, prompt_tokens: int, output_tokens: int, batch: bool = False
) -> float | None:
    """Return dollars, or None for a model without a price; `output_tokens` include thoughts."""
    price = CATALOGUE.get(base_model)
    if price is None:
        return None
    factor = _TUNED_GEMINI_3 if tuned and base_model.startswith("gemini-3") else 1.0
    factor *= _BATCH if batch else 1.0
    dollars = prompt_tokens * price.prompt + output_tokens * price.output
    return factor * dollars / _MILLION


def tuning_cost(base_model: str, *, trained_tokens: int) -> float | None:
    """Return dollars for the tokens of all epochs, or None where no price is known."""
    price = CATALOGUE.get(base_model)
    if price is None or price.training is None:
        return None
    return trained_tokens * price.training / _MILLION


def describe_prices() -> dict[str, Any]:
    return {name: asdict(price) for name, price in CATALOGUE.items()}
