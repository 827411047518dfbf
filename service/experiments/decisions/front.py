"""Quality against cost: what each variant costs to use, and which ones are worth choosing. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.catalogue.prices import CallPrice
from service.evaluation.metrics.registry import MetricSpec
from service.experiments.learning_curve.curve import Point

CALLS = 1000  # the unit of prices


@dataclass(frozen=True, slots=True)
class VariantCost:
    """What a variant costs, in nano-dollars: `per_thousand` calls with the tokens that were
    measured, `tuning` once. None where no price is known; a prompt's tuning costs 0. `latency_ms`
    is the median of its calls.
    """

    prompt_tokens: float
    output_tokens: float
    per_thousand: int | None
    tuning: int | None
    latency_ms: int | None = None


def cost_of_calls(price: CallPrice | None, *, prompt: float, output: float) -> int | None:
    """Return nano-dollars for a thousand calls of so many tokens each, on average."""
    if price is None:
        return None
    one = price.cost(prompt_tokens=round(prompt * CALLS), output_tokens=round(output * CALLS))
    if price.long_prompt_tokens is None or prompt > price.long_prompt_tokens:
        return one
    short = CallPrice(price.input, price.output, price.cached_input)
    return short.cost(prompt_tokens=round(prompt * CALLS), output_tokens=round(output * CALLS))


def pareto_front(
    points: Sequence[Point], costs: Mapping[str, VariantCost], *, spec: MetricSpec
) -> tuple[str, ...] | None:
    """Return the variants that no other one matches in both score and cost a call, cheapest first.

    None where a scored variant has no price: without it no front can be claimed.
    """
    priced = []
    for point in points:
        if point.value is None:
            continue
        cost = costs[point.name].per_thousand if point.name in costs else None
        if cost is None:
            return None
        priced.append((cost, -spec.sign * point.value, point.name))
    front: list[str] = []
    best = float("inf")
    for _, loss, name in sorted(priced):
        if loss < best:
            front.append(name)
            best = loss
    return tuple(front)


def unpriced(costs: Mapping[str, VariantCost]) -> list[str]:
    """Return the variants with answers whose price is not known."""
    return [name for name, cost in costs.items() if cost.per_thousand is None]


def pays_off_from(tuned: VariantCost, prompt: VariantCost) -> int | None:
    """Return how many calls a month earn the tuning back within that month; None: never, or
    unknown.

    Only a tuned model whose calls are cheaper earns anything back: a prompt with many shots is
    long, and each call pays for it again.
    """
    if tuned.per_thousand is None or prompt.per_thousand is None or tuned.tuning is None:
        return None
    saved = prompt.per_thousand - tuned.per_thousand
    return -(-tuned.tuning * CALLS // saved) if saved > 0 else None
