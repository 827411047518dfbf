"""Money: whole nano-dollars inside, decimal strings outside, never a float. Pure."""

from decimal import Decimal, InvalidOperation
from typing import Literal

CURRENCY: Literal["USD"] = "USD"
NANO = 1_000_000_000
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
