"""Cost against quality, to the cent, and what to buy next."""

from decimal import Decimal

import pytest

from service.catalogue.entry import Price
from service.catalogue.prices import CallPrice, price_of_calls
from service.evaluation.metrics.registry import METRICS
from service.experiments.answer import answer
from service.experiments.decisions.front import (
    VariantCost,
    cost_of_calls,
    pareto_front,
    pays_off_from,
)
from service.experiments.learning_curve.curve import learning_curve
from service.money import NANO
from tests.service.experiments.curves import FEW, ZERO, analysed, tuned

SPEC = METRICS.find("sacrebleu")
PRICE = CallPrice(input=250_000, output=1_500_000, cached_input=25_000)  # 0.25 and 1.50 a million
LONG = CallPrice(1_000_000, 4_000_000, 0, long_prompt_tokens=200, long_input=2_000_000)


def cost(per_thousand: int | None, tuning: int | None = 0) -> VariantCost:
    return VariantCost(300.0, 40.0, per_thousand, tuning)


def test_a_thousand_calls_cost_their_measured_tokens() -> None:
    """1,000 calls of 300.5 and 40 tokens: 0.075125 for input and 0.06 for output."""
    assert cost_of_calls(PRICE, prompt=300.5, output=40) == 135_125_000
    assert cost_of_calls(None, prompt=300, output=40) is None


@pytest.mark.parametrize(("prompt", "nano"), [(200.0, 200_000_000), (201.0, 402_000_000)])
def test_long_prompts_cost_more_by_the_length_of_one_call(prompt: float, nano: int) -> None:
    assert cost_of_calls(LONG, prompt=prompt, output=0) == nano


def test_a_tuned_model_that_costs_double_is_priced_so() -> None:
    price = Price.model_validate(
        {
            "input": "0.25",
            "output": "1.50",
            "training": "5",
            "tuned_factor": "2",
            "source": "test",
            "as_of": "2026-11-01",
        }
    )
    base = price_of_calls(price, regional=False, tuned=False, batch=False)
    twice = price_of_calls(price, regional=False, tuned=True, batch=False)
    assert price.tuned_factor == Decimal(2)
    plain = cost_of_calls(base, prompt=300, output=40)
    assert plain is not None
    assert cost_of_calls(twice, prompt=300, output=40) == 2 * plain


def test_the_front_holds_what_no_other_variant_matches_in_score_and_cost() -> None:
    points = [ZERO, FEW, *tuned({50: 86.4, 200: 91.0, 800: 94.3})]
    costs = {
        "zero-shot": cost(100),
        "few-shot (3)": cost(400),
        "tuned@50": cost(200),
        "tuned@200": cost(200),
        "tuned@800": cost(250),
    }
    assert pareto_front(points, costs, spec=SPEC) == ("zero-shot", "tuned@200", "tuned@800")


def test_no_front_is_claimed_without_every_price() -> None:
    points = [ZERO, *tuned({50: 86.4})]
    assert pareto_front(points, {"zero-shot": cost(100)}, spec=SPEC) is None
    unpriced = {"zero-shot": cost(100), "tuned@50": cost(None)}
    assert pareto_front(points, unpriced, spec=SPEC) is None


def test_a_tuning_is_earned_back_by_cheaper_calls_only() -> None:
    """12 dollars of tuning, 0.15 saved a thousand calls: 80,000 calls."""
    tuning = 12 * NANO
    assert pays_off_from(cost(100_000_000, tuning), cost(250_000_000)) == 80_000
    assert pays_off_from(cost(250_000_000, tuning), cost(250_000_000)) is None
    assert pays_off_from(cost(300_000_000, tuning), cost(250_000_000)) is None
    assert pays_off_from(cost(None, tuning), cost(250_000_000)) is None
    assert pays_off_from(cost(100_000_000, None), cost(250_000_000)) is None


def test_the_next_doubling_is_priced_with_its_labels_tuning_and_evaluation() -> None:
    """Labels 800 x 0.05, the tuning of 1,600 for twice that of 800, 200 calls."""
    curve = learning_curve("sacrebleu", [ZERO, FEW, *tuned({50: 86.4, 200: 91.0, 800: 94.3})])
    costs = {
        "zero-shot": cost(100_000_000),
        "few-shot (3)": cost(400_000_000),
        "tuned@50": cost(100_000_000, NANO // 2),
        "tuned@200": cost(100_000_000, NANO),
        "tuned@800": cost(100_000_000, 2 * NANO),
    }
    found = analysed(curve, costs=costs, label_nano=NANO // 20)
    [labels] = [step for step in found.next_steps if step.kind == "labels"]
    assert labels.amount == 800
    assert labels.labels_nano == 40 * NANO
    assert labels.cost_nano == 40 * NANO + 4 * NANO + 20_000_000
    assert "800 more labelled rows (44.02 dollars) would tell" in answer(found)
    assert "1,000 calls cost 0.10 dollars tuned and 0.40 with few-shot" in answer(found)


def test_without_prices_the_step_is_named_and_its_cost_is_not() -> None:
    curve = learning_curve("sacrebleu", [ZERO, FEW, *tuned({50: 86.4, 200: 91.0, 800: 94.3})])
    found = analysed(curve)
    [labels] = [step for step in found.next_steps if step.kind == "labels"]
    assert labels.cost_nano is None
    assert "800 more labelled rows would tell" in answer(found)
    assert "1,000 calls" not in answer(found)


def test_a_plateau_asks_for_no_more_labels() -> None:
    flat = tuned({50: 90.0, 200: 90.1, 800: 90.1, 3200: 90.1}, half=0.3)
    assert analysed(learning_curve("sacrebleu", [ZERO, *flat])).next_steps == ()
