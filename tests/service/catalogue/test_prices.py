"""The price catalogue is valid data, and money is counted in whole nano-dollars."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalogue.catalogue import load_catalogue
from service.catalogue.prices import CallPrice
from service.errors import Invalid
from service.money import NANO, dollars, parse_dollars
from tests.support.logs import captured_logs

MILLION = 1_000_000
CATALOGUE = load_catalogue()
PRICED = [entry.name for entry in CATALOGUE if entry.prices]


def call_price(base_model: str, *, tuned: bool = False, batch: bool = False) -> CallPrice:
    price = CATALOGUE.price_of_calls(base_model, location="global", tuned=tuned, batch=batch)
    assert price is not None
    return price


@pytest.mark.parametrize("name", PRICED)
def test_every_entry_names_its_source_and_date_and_costs_something(name: str) -> None:
    entry = CATALOGUE.entry(name).prices

    assert entry is not None
    assert entry.source
    assert entry.as_of >= "2026"
    assert 0 < entry.input < entry.output
    assert entry.training is None or entry.training > entry.input


@pytest.mark.parametrize(
    ("base_model", "prompt", "output", "cost"),
    [
        ("gemini-2.5-flash", MILLION, 0, "0.30"),
        ("gemini-2.5-flash", 0, MILLION, "2.50"),
        ("gemini-2.5-flash", 109, 25, "0.0000952"),
        ("gemini-2.5-pro", 200_000, 0, "0.25"),
        ("gemini-2.5-pro", 200_001, 1, "0.5000175"),
        ("gemini-2.5-flash-lite", 1, 0, "0.0000001"),
    ],
)
def test_calls_cost_what_the_list_says(
    base_model: str, prompt: int, output: int, cost: str
) -> None:
    price = call_price(base_model)

    assert dollars(price.cost(prompt_tokens=prompt, output_tokens=output)) == cost


def test_tuned_regional_and_batch_calls_have_their_factors() -> None:
    base = call_price("gemini-3.1-flash-lite").cost(prompt_tokens=1000, output_tokens=0)
    tuned = call_price("gemini-3.1-flash-lite", tuned=True)
    regional = CATALOGUE.price_of_calls("gemini-3.1-flash-lite", location="us", tuned=True)

    assert base == 250_000
    assert tuned.cost(prompt_tokens=1000, output_tokens=0) == 375_000
    assert regional is not None
    assert regional.cost(prompt_tokens=1000, output_tokens=0) == 412_500
    assert call_price("gemini-2.5-flash", tuned=True) == call_price("gemini-2.5-flash")
    assert call_price("gemini-2.5-flash", batch=True).output * 2 == (
        call_price("gemini-2.5-flash").output
    )


def test_training_counts_the_tokens_of_all_epochs() -> None:
    assert CATALOGUE.training_cost("gemini-2.5-flash", tokens=3 * MILLION) == 15 * NANO
    assert CATALOGUE.training_cost("gemini-3.5-flash-lite", tokens=1) is None


@pytest.mark.parametrize("name", ["gemini-2.5-flash-001", "gemini-2.5-flash@default"])
def test_a_version_costs_what_its_model_does(name: str) -> None:
    assert CATALOGUE.find(name) == CATALOGUE.find("gemini-2.5-flash")


@pytest.mark.parametrize("name", ["gemini-9", "gemini-2.5", "gemini-2.5-flash-preview-09-2025", ""])
def test_another_model_has_no_price(name: str) -> None:
    assert CATALOGUE.price_of_calls(name, location="global") is None
    assert CATALOGUE.training_cost(name, tokens=1) is None


def test_a_users_file_of_prices_alone_still_replaces_ours_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(
        '["gemini-2.5-flash"]\ninput = 0.2\ncached_input = 0.05\noutput = 2\n'
        'source = "our contract"\nas_of = "2026-11-01"\n'
    )

    with captured_logs() as logs:
        prices = load_catalogue(prices=file)
    price = prices.price_of_calls("gemini-2.5-flash", location="global")

    assert price is not None
    assert price.cost(prompt_tokens=100, output_tokens=0, cached_tokens=40) == 60 * 200 + 40 * 50
    assert prices.training_cost("gemini-2.5-flash", tokens=1) is None
    assert prices.find("gemini-2.5-pro") == CATALOGUE.find("gemini-2.5-pro")
    assert [each["setting"] for each in logs] == ["TUNECURVE_PRICES"]


@pytest.mark.parametrize(
    "text",
    [
        "no toml",
        '["m"]\ninput = 1\noutput = 2\nas_of = "2026-11"\n',
        '["m"]\ninput = -1\noutput = 2\nsource = "s"\nas_of = "2026-11"\n',
        '["m"]\ninput = 0.0000001\noutput = 2\nsource = "s"\nas_of = "2026-11"\n',
        '["m"]\ninput = 1\noutput = 2\nlong_input = 3\nsource = "s"\nas_of = "2026-11"\n',
    ],
    ids=["not toml", "no source", "negative", "too fine", "half a tier"],
)
def test_a_catalogue_that_is_not_valid_is_refused_and_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)

    with pytest.raises(Invalid, match=r"prices\.toml") as caught:
        load_catalogue(prices=file)

    assert caught.value.code == "catalogue_invalid"


@pytest.mark.parametrize(
    ("text", "nano"),
    [("0.000000001", 1), ("1.50", 1_500_000_000), ("999999999", 999_999_999 * NANO), ("0", 0)],
)
def test_amounts_are_read_exactly(text: str, nano: int) -> None:
    assert parse_dollars(text) == nano
    assert Decimal(dollars(nano)) == Decimal(text)


@pytest.mark.parametrize("text", ["0.0000000001", "one", "", "NaN", "Infinity", "1e-10"])
def test_what_is_no_exact_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals"):
        parse_dollars(text)


@given(st.integers(min_value=-(10**18), max_value=10**18))
def test_an_amount_survives_being_written_and_read(nano: int) -> None:
    assert parse_dollars(dollars(nano)) == nano


@given(
    prompt=st.integers(0, 150_000),
    output=st.integers(0, 65_536),
    factor=st.sampled_from(["0.3", "2.5", "0.412501"]),
)
def test_a_cost_is_never_below_the_exact_one_and_less_than_a_nano_above(
    prompt: int, output: int, factor: str
) -> None:
    pico = int(Decimal(factor) * MILLION)
    price = CallPrice(input=pico, output=pico, cached_input=pico)
    exact = Decimal(factor) * 1000 * (prompt + output)

    assert 0 <= price.cost(prompt_tokens=prompt, output_tokens=output) - exact < 1
