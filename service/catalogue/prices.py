"""What calls and tunings cost, in whole pico- and nano-dollars, and sums of what was used."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from service.catalogue.entry import Price

_PICO_A_NANO = 1000
# A dollar for a million tokens is a million pico-dollars for one.
_PICO_A_TOKEN = 1_000_000


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


def price_of_calls(price: Price, *, regional: bool, tuned: bool, batch: bool) -> CallPrice | None:
    """Return what calls cost; `regional` ones go to any location but `global`, `tuned` ones to a
    model tuned from the base. None where a factor is not known.
    """
    if tuned and price.tuned_factor is None:
        return None
    factor = price.regional_factor if regional else Decimal(1)
    factor *= (price.tuned_factor or 1) if tuned else 1
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


def price_of_training(price: Price, *, tokens: int) -> int | None:
    """Return nano-dollars for training on so many tokens, all epochs counted; None: unknown."""
    return None if price.training is None else _nano(tokens * _pico(price.training, Decimal(1)))


def _pico(rate: Decimal, factor: Decimal) -> int:
    return int((rate * factor * _PICO_A_TOKEN).to_integral_value(ROUND_CEILING))


def _nano(pico: int) -> int:
    return -(-pico // _PICO_A_NANO)


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Calls and billed tokens, summed. `known_nano` sums what has a price, of which
    `uncounted_nano` was charged without counts of the provider; `unpriced` names the base models
    that have used what has none. `synthetic`: some of it was the emulator's, which bills nothing
    for `synthetic_nano` of what is known. `hedged` are calls beside `requests` whose answers
    was not waited for: they may be billed, and no sum has them.
    """

    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    training_tokens: int = 0
    thinking_tokens: int = 0
    cached_tokens: int = 0
    uncounted_nano: int = 0
    hedged: int = 0
    known_nano: int = 0
    synthetic_nano: int = 0
    synthetic: bool = False
    unpriced: tuple[str, ...] = ()

    @property
    def cost_nano(self) -> int | None:
        """The whole cost; None where a part of it has no price."""
        return None if self.unpriced else self.known_nano

    def __add__(self, other: "UsageTotals") -> "UsageTotals":
        return UsageTotals(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            training_tokens=self.training_tokens + other.training_tokens,
            thinking_tokens=self.thinking_tokens + other.thinking_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            uncounted_nano=self.uncounted_nano + other.uncounted_nano,
            hedged=self.hedged + other.hedged,
            known_nano=self.known_nano + other.known_nano,
            synthetic_nano=self.synthetic_nano + other.synthetic_nano,
            synthetic=self.synthetic or other.synthetic,
            unpriced=tuple(sorted({*self.unpriced, *other.unpriced})),
        )
