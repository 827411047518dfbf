"""How money is shown: the decimal strings of the API, as they are, with their currency."""

from collections.abc import Mapping
from typing import Any

Job = Mapping[str, Any]

_NOTHING = "0.00"


def cost_of(job: Job) -> str:
    """Return what a job has cost, such as `0.0123 of 1.50 USD`; empty where it cost nothing."""
    cost = job.get("cost") or {}
    actual, budget = cost.get("actual"), (job.get("budget") or {}).get("amount")
    if actual is None:
        return "no price known" if cost.get("requests") or cost.get("training_tokens") else ""
    if actual == _NOTHING and budget is None:
        return ""
    return f"{actual}{f' of {budget}' if budget else ''} {cost.get('currency', 'USD')}"


def ending_of(job: Job) -> str:
    """Return the line that ends a job for people: its id, state, and cost if any."""
    return "  ".join(part for part in (job["id"], job["state"], cost_of(job)) if part)
