"""Amounts of money as people read them; the API's are decimal strings, exact to nine digits."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

UNKNOWN = "unknown"
_CENT, _DIME = Decimal("0.01"), Decimal("0.1")
_AMOUNTS = frozenset(
    {"actual", "amount", "estimated", "high", "known", "low", "reserved", "uncounted"}
)


def money_text(amount: str | None) -> str:
    """Return an amount in cents, or with two significant digits where it is less than one."""
    return UNKNOWN if amount is None else _text(Decimal(amount), cents_from=_CENT)


def price_text(amount: str | None) -> str:
    """Return a price, with two significant digits below 0.10: prices are compared."""
    return UNKNOWN if amount is None else _text(Decimal(amount), cents_from=_DIME)


def with_money_texts(value: object) -> object:
    """Return a value of JSON with the amounts beside a `currency` as people read them."""
    match value:
        case dict():
            return {name: _member(value, name) for name in value}
        case list():
            return [with_money_texts(each) for each in value]
        case _:
            return value


def _member(value: Mapping[str, Any], name: str) -> object:
    told = value[name]
    if "currency" in value and name in _AMOUNTS and isinstance(told, str):
        return money_text(told)
    return with_money_texts(told)


def _text(amount: Decimal, *, cents_from: Decimal) -> str:
    unit = _CENT
    if 0 < abs(amount) < cents_from:
        unit = Decimal((0, (1,), amount.adjusted() - 1))
    whole, _, decimals = f"{amount.quantize(unit):,f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
