"""Usage: what the project has used and paid, by day and base model; and the prices."""

from dataclasses import asdict
from datetime import date, timedelta
from functools import reduce
from operator import add
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.auth import Reader
from api.dependencies import Services
from api.openapi import answers
from service.catalogue.entry import Price
from service.catalogue.prices import UsageTotals
from service.clock import utc_now
from service.errors import Fault, Invalid
from service.inference.ledger import usage_of_project
from service.money import CURRENCY, dollars, dollars_or_none

router = APIRouter(prefix="/v1", tags=["usage"])

_DAYS = 30
_LONGEST_DAYS = 366
_EXAMPLE_SUM: dict[str, Any] = {
    "requests": 400,
    "prompt_tokens": 43600,
    "output_tokens": 10200,
    "thinking_tokens": 0,
    "cached_tokens": 0,
    "training_tokens": 87600,
    "hedged": 0,
    "cost": "0.47658",
    "known": "0.47658",
    "uncounted": "0.00",
    "unpriced": [],
    "synthetic": False,
    "synthetic_cost": "0.00",
}
_EXAMPLE: dict[str, Any] = {
    "object": "usage",
    "first": "2026-10-23",
    "last": "2026-11-21",
    "currency": "USD",
    "total": _EXAMPLE_SUM,
    "days": [{"day": "2026-11-21", "base_model": "gemini-3.1-flash-lite", **_EXAMPLE_SUM}],
}
_PRICE_EXAMPLE: dict[str, Any] = {
    "base_model": "gemini-3.1-flash-lite",
    "input": "0.30",
    "output": "2.50",
    "cached_input": None,
    "training": "5",
    "long_prompt_tokens": None,
    "long_input": None,
    "long_output": None,
    "batch_factor": "0.5",
    "tuned_factor": "1",
    "regional_factor": "1",
    "source": "our contract",
    "as_of": "2026-11",
}


class UsageSum(BaseModel):
    """Calls and billed tokens; thoughts are part of the output, cached tokens of the prompt."""

    requests: int
    prompt_tokens: int
    output_tokens: int
    thinking_tokens: int
    cached_tokens: int
    training_tokens: int
    hedged: int = Field(description="calls sent beside `requests`, billed perhaps beside `cost`")
    cost: str | None = Field(description="decimal string; null where a part has no price")
    known: str = Field(description="decimal string: the part that has a price")
    uncounted: str = Field(
        description="decimal string: the part of `known` that is estimated, as the provider gave "
        "no token counts"
    )
    unpriced: list[str] = Field(description="base models used that have no price")
    synthetic: bool = Field(description="some of it was answered by the emulator")
    synthetic_cost: str = Field(
        description="decimal string: the part of `known` that is not billed"
    )


class DayUsage(UsageSum):
    """What was used of one base model, tuned models included, on one UTC day; what the emulator
    answered stands in a row of its own.
    """

    day: date
    base_model: str


class ProjectUsage(BaseModel):
    """What a project has used: a day and a base model at a time, newest day first."""

    object: Literal["usage"] = "usage"
    first: date
    last: date
    currency: Literal["USD"] = CURRENCY
    total: UsageSum
    days: list[DayUsage]


class ListedPrice(Price):
    """What a base model costs: US dollars for a million tokens, and factors."""

    base_model: str


class PriceList(BaseModel):
    """The price catalogue by which costs are counted."""

    object: Literal["prices"] = "prices"
    currency: Literal["USD"] = CURRENCY
    data: list[ListedPrice]


@router.get(
    "/usage",
    operation_id="getUsage",
    summary="What the project has used and paid, by day and base model",
    responses=answers(_EXAMPLE),
)
def get_usage(
    principal: Reader,
    container: Services,
    first: Annotated[date | None, Query(description="UTC day; 30 days are shown else")] = None,
    last: Annotated[date | None, Query(description="UTC day, today else")] = None,
) -> ProjectUsage:
    """Calls and tokens of all jobs, with what they cost by the price catalogue."""
    last = last or utc_now().date()
    first = first or last - timedelta(days=_DAYS - 1)
    _require_order(first, last)
    with container.sessions.reading() as session:
        found = usage_of_project(session, principal.project_id, first=first, last=last)
    return ProjectUsage(
        first=first,
        last=last,
        total=UsageSum(**_sum_fields(reduce(add, (used for _, _, used in found), UsageTotals()))),
        days=[DayUsage(day=day, base_model=name, **_sum_fields(used)) for day, name, used in found],
    )


@router.get(
    "/prices",
    operation_id="listPrices",
    summary="The prices by which costs are counted, with source and date",
    responses=answers({"object": "prices", "currency": "USD", "data": [_PRICE_EXAMPLE]}),
)
def list_prices(_principal: Reader, container: Services) -> PriceList:
    """US dollars for a million tokens. A model without a price is not in the list."""
    return PriceList(
        data=[
            ListedPrice(base_model=entry.name, **entry.prices.model_dump())
            for entry in container.catalogue
            if entry.prices is not None
        ]
    )


def _require_order(first: date, last: date) -> None:
    if not timedelta() <= last - first < timedelta(days=_LONGEST_DAYS):
        message = f"`first` is at most {_LONGEST_DAYS - 1} days before `last`"
        if first > last:
            message = f"`first` ({first}) is after `last` ({last})"
        fault = Fault("first", "period_not_valid", message)
        raise Invalid(message, code="period_not_valid", faults=[fault])


def _sum_fields(used: UsageTotals) -> dict[str, Any]:
    usage = asdict(used)
    known, cost = dollars(usage.pop("known_nano")), dollars_or_none(used.cost_nano)
    synthetic = dollars(usage.pop("synthetic_nano"))
    uncounted = dollars(usage.pop("uncounted_nano"))
    money = {"cost": cost, "known": known, "synthetic_cost": synthetic, "uncounted": uncounted}
    return {**usage, **money}
