"""The price catalogue: what tokens cost, by base model, as data with source and date."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.errors import Invalid

_SHIPPED = Path(__file__).with_suffix(".toml")
_GLOBAL = "global"
_PICO_A_NANO = 1000
# A dollar for a million tokens is a million pico-dollars for one.
_PICO_A_TOKEN = 1_000_000
_VERSION = re.compile(r"(@[\w.-]+|-\d{3})$")

Rate = Annotated[Decimal, Field(ge=0, le=10_000, max_digits=10, decimal_places=6)]
Factor = Annotated[Decimal, Field(gt=0, le=100, max_digits=8, decimal_places=4)]


class Price(BaseModel):
    """One entry of the catalogue: US dollars for a million tokens; see prices.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Rate
    output: Rate
    cached_input: Rate | None = None
    training: Rate | None = None
    long_prompt_tokens: int | None = Field(default=None, ge=1)
    long_input: Rate | None = None
    long_output: Rate | None = None
    batch_factor: Factor = Decimal(1)
    tuned_factor: Factor = Decimal(1)
    regional_factor: Factor = Decimal(1)
    source: str = Field(min_length=1, max_length=500)
    as_of: str = Field(pattern=r"^\d{4}-\d{2}(-\d{2})?$")

    @model_validator(mode="after")
    def _long_prompts_are_whole(self) -> Self:
        parts = (self.long_prompt_tokens, self.long_input, self.long_output)
        if any(part is None for part in parts) and any(part is not None for part in parts):
            message = "long_prompt_tokens, long_input and long_output come together"
            raise ValueError(message)
        return self


@dataclass(frozen=True, slots=True)
class CallPrice:
    """What the calls of one target cost: whole pico-dollars for a token, factors included."""

    input: int
    output: int
    cached_input: int
    long_prompt_tokens: int | None = None
    long_input: int = 0
    long_output: int = 0

    def cost(self, *, prompt_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int:
        """Return nano-dollars, rounded up; output tokens include thoughts.

        `cached_tokens` are those of the prompt that the provider had cached.
        """
        given, asked, cached = self.input, self.output, self.cached_input
        if self.long_prompt_tokens is not None and prompt_tokens > self.long_prompt_tokens:
            given, asked, cached = self.long_input, self.long_output, self.long_input
        fresh = prompt_tokens - cached_tokens
        pico = fresh * given + cached_tokens * cached + output_tokens * asked
        return _nano(pico)


class Prices:
    """The catalogue, asked by base model. A model that is not in it has no price: None."""

    def __init__(self, entries: Mapping[str, Price]) -> None:
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[tuple[str, Price]]:
        return iter(sorted(self._entries.items()))

    def find(self, base_model: str) -> Price | None:
        """Return the entry of a base model; a version (`-001`, `@default`) costs what it does."""
        name = base_model.rpartition("/")[2]
        return self._entries.get(name) or self._entries.get(_VERSION.sub("", name))

    def of_calls(
        self, base_model: str, *, location: str, tuned: bool = False, batch: bool = False
    ) -> CallPrice | None:
        """Return what calls cost at a location; `tuned` are those of a model tuned from it."""
        price = self.find(base_model)
        if price is None:
            return None
        factor = Decimal(1) if location == _GLOBAL else price.regional_factor
        factor *= price.tuned_factor if tuned else 1
        factor *= price.batch_factor if batch else 1
        cached = price.input if price.cached_input is None else price.cached_input
        return CallPrice(
            input=_pico(price.input, factor),
            output=_pico(price.output, factor),
            cached_input=_pico(cached, factor),
            long_prompt_tokens=price.long_prompt_tokens,
            long_input=_pico(price.long_input or Decimal(0), factor),
            long_output=_pico(price.long_output or Decimal(0), factor),
        )

    def training_cost(self, base_model: str, *, tokens: int) -> int | None:
        """Return nano-dollars for training on so many tokens, all epochs counted."""
        price = self.find(base_model)
        if price is None or price.training is None:
            return None
        return _nano(tokens * _pico(price.training, Decimal(1)))


def load_prices(file: Path | None = None) -> Prices:
    """Return the shipped catalogue, with the entries of `file` in place of its own.

    Raises Invalid `prices_invalid`, naming the file and the entry.
    """
    entries = _read(_SHIPPED)
    return Prices(entries if file is None else entries | _read(file))


def _read(file: Path) -> dict[str, Price]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
        return {name: Price.model_validate(table) for name, table in tables.items()}
    except OSError as error:
        message = f"no price catalogue at {file}: {error.strerror}"
        raise Invalid(message, code="prices_invalid") from error
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        message = f"the price catalogue {file} is not valid: {error}"
        raise Invalid(message, code="prices_invalid") from error


def _pico(rate: Decimal, factor: Decimal) -> int:
    return int((rate * factor * _PICO_A_TOKEN).to_integral_value(ROUND_CEILING))


def _nano(pico: int) -> int:
    return -(-pico // _PICO_A_NANO)
