"""The command line shows what jobs cost as people read it, and takes a budget."""

import json
from typing import Any

import pytest

from service.money import NANO, at_least, at_most, dollar_words, dollars_or_none, price_words
from tests.tunecurve.tiny_service import TinyService, new_job
from tunecurve.cli import run
from tunecurve.errors import ExitCode
from tunecurve.money import money_text, price_text
from tunecurve.progress import cost_text, summary_line

AMOUNTS = [
    (None, "unknown", "unknown"),
    (0, "0.00", "0.00"),
    (1, "0.000000001", "0.000000001"),
    (123_456, "0.00012", "0.00012"),
    (3_100_000, "0.0031", "0.0031"),
    (9_960_000, "0.01", "0.01"),
    (42_500_000, "0.04", "0.042"),
    (135_125_000, "0.14", "0.14"),
    (44 * NANO, "44.00", "44.00"),
    (1234 * NANO + 999_999_999, "1,235.00", "1,235.00"),
]
BUDGET = {"amount": "1.50", "currency": "USD"}
USED = {"requests": 400, "training_tokens": 0, "currency": "USD", "actual": "0.10000000001"}


@pytest.mark.parametrize(("nano", "words", "price"), AMOUNTS)
def test_commands_and_pages_say_an_amount_alike(nano: int | None, words: str, price: str) -> None:
    assert money_text(dollars_or_none(nano)) == dollar_words(nano) == words
    assert price_text(dollars_or_none(nano)) == price_words(nano) == price


def test_what_a_limit_is_compared_with_is_not_rounded_to_its_other_side() -> None:
    assert (at_most(1_234_000_001), at_least(1_239_999_999)) == ("1.24", "1.23")
    assert (at_most(9_910_000), at_least(9_990_000)) == ("0.01", "0.0099")


@pytest.mark.parametrize(
    ("job", "shown"),
    [
        ({}, ""),
        ({"cost": {}}, ""),
        ({"cost": {"actual": "0.00", "currency": "USD"}, "budget": None}, ""),
        ({"cost": {"actual": "0.00", "currency": "USD"}, "budget": BUDGET}, "0.00 of 1.50 USD"),
        ({"cost": USED}, "0.10 USD"),
        ({"cost": USED, "budget": BUDGET}, "0.10 of 1.50 USD"),
        ({"cost": {**USED, "actual": "0.000123456"}}, "0.00012 USD"),
        ({"cost": {**USED, "actual": None}}, "unknown"),
        (
            {"cost": {**USED, "actual": None, "known": "0.02", "unpriced": ["m", "n"]}},
            "0.02 USD and what m, n cost: unknown",
        ),
        ({"cost": {**USED, "synthetic": True}}, "0.10 USD SYNTHETIC"),
        ({"cost": {"actual": "0.00", "synthetic": True}}, ""),
    ],
    ids=[
        "old server",
        "no cost",
        "nothing",
        "a budget",
        "paid",
        "paid of a budget",
        "less than a cent",
        "no price",
        "a part",
        "emulated",
        "emulated and nothing yet",
    ],
)
def test_a_cost_is_shown_as_people_read_it(job: dict[str, Any], shown: str) -> None:
    assert cost_text(job) == shown
    assert summary_line({**job, "id": "job_1", "state": "failed"}).endswith(shown or "failed")


def test_jobs_are_listed_with_their_cost(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    known.lists["/v1/jobs"] = [new_job(1, cost=USED, budget=BUDGET), new_job(2)]

    assert run(["jobs"]) == ExitCode.OK

    assert "0.10 of 1.50 USD" in capsys.readouterr().out.splitlines()[1]


def test_a_budget_is_submitted_as_an_amount(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    known.submitted = new_job(1, cost=USED, budget=BUDGET)

    assert run(["submit", "tune", "--spec", "{}", "--budget", "1.50"]) == ExitCode.OK

    assert known.seen[0].json()["budget"] == BUDGET
    assert capsys.readouterr().out.rstrip().endswith("0.10 of 1.50 USD")


def test_usage_is_shown_by_day_with_its_sum(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = {"requests": 2, "prompt_tokens": 7, "output_tokens": 3, "training_tokens": 0}
    day = {"day": "2026-11-21", "base_model": "gemini-3.1-flash-lite", **tokens, "cost": "0.05"}
    reported = {
        "currency": "USD",
        "total": {
            **tokens,
            "cost": None,
            "known": "0.05",
            "unpriced": ["m"],
            "synthetic": True,
            "synthetic_cost": "0.01",
        },
        "days": [day, {**day, "synthetic": True, "known": "0.05", "synthetic_cost": "0.05"}],
    }
    known.objects["/v1/usage"] = reported

    assert run(["usage", "--first", "2026-11-01"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [
        "2026-11-21",
        "gemini-3.1-flash-lite",
        "2",
        "7",
        "3",
        "0",
        "0.05",
        "-",
        "-",
        "yes",
    ]
    assert lines[2].endswith("no: SYNTHETIC")
    total = "total USD 2 7 3 0 0.05 - m all but 0.01 SYNTHETIC"
    assert " ".join(lines[3].split()) == total
    assert known.seen[0].query == {"first": "2026-11-01"}

    assert run(["usage", "-o", "json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == reported
