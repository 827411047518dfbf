"""Money: whole nano-dollars inside, decimal strings outside, never a float. Pure."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Literal

CURRENCY: Literal["USD"] = "USD"
NANO = 1_000_000_000
_CENT = NANO // 100
_PRICE_CENTS_FROM = 10 * _CENT
AMOUNT_PATTERN = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?$"


def parse_dollars(text: str) -> int:
    """Return `"1.50"` as nano-dollars; raises ValueError for what is no exact amount of them."""
    try:
        nano = Decimal(text) * NANO
        whole = int(nano)
    except (InvalidOperation, ValueError, OverflowError) as error:
        message = f"{text!r} is not an amount of dollars"
        raise ValueError(message) from error
    if whole != nano:
        message = f"{text!r} has more than nine decimals"
        raise ValueError(message)
    return whole


def dollars(nano: int) -> str:
    """Return nano-dollars as a decimal string: at least two decimals, no zeros after them."""
    sign = "-" if nano < 0 else ""
    whole, rest = divmod(abs(nano), NANO)
    decimals = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"


def dollars_or_none(nano: int | None) -> str | None:
    return None if nano is None else dollars(nano)


def dollar_words(nano: int | None, *, rounding: str = ROUND_HALF_EVEN) -> str:
    """Return an amount for people: cents, or two significant digits of what is less than one."""
    return "unknown" if nano is None else _words(nano, cents_from=_CENT, rounding=rounding)


def at_most(nano: int) -> str:
    """Return an amount for people that is not less than it is."""
    return dollar_words(nano, rounding=ROUND_CEILING)


def at_least(nano: int) -> str:
    """Return an amount for people that is not more than it is."""
    return dollar_words(nano, rounding=ROUND_FLOOR)


def price_words(nano: int | None) -> str:
    """Return a price for people; it has two significant digits below 0.10, as prices are compared.

    Those of a thousand calls of a small model differ by less than a cent.
    """
    if nano is None:
        return "unknown"
    return _words(nano, cents_from=_PRICE_CENTS_FROM, rounding=ROUND_HALF_EVEN)


def _words(nano: int, *, cents_from: int, rounding: str) -> str:
    amount = Decimal(nano) / NANO
    unit = Decimal("0.01")
    if 0 < abs(nano) < cents_from:
        unit = Decimal((0, (1,), amount.adjusted() - 1))
    whole, _, decimals = f"{amount.quantize(unit, rounding=rounding):,f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
