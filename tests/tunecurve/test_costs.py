"""The command line shows what jobs cost, takes a budget, and never touches an amount."""

import json
from typing import Any

import pytest

from tests.tunecurve.tiny_service import TinyService, new_job
from tunecurve.cli import run
from tunecurve.errors import ExitCode
from tunecurve.progress import cost_text, summary_line

BUDGET = {"amount": "1.50", "currency": "USD"}
USED = {"requests": 400, "training_tokens": 0, "currency": "USD", "actual": "0.10000000001"}


@pytest.mark.parametrize(
    ("job", "shown"),
    [
        ({}, ""),
        ({"cost": {}}, ""),
        ({"cost": {"actual": "0.00", "currency": "USD"}, "budget": None}, ""),
        ({"cost": {"actual": "0.00", "currency": "USD"}, "budget": BUDGET}, "0.00 of 1.50 USD"),
        ({"cost": USED}, "0.10000000001 USD"),
        ({"cost": USED, "budget": BUDGET}, "0.10000000001 of 1.50 USD"),
        ({"cost": {**USED, "actual": None}}, "no price known"),
        (
            {"cost": {**USED, "actual": None, "known": "0.02", "unpriced": ["m", "n"]}},
            "0.02 USD and what m, n cost: no price known",
        ),
        ({"cost": {**USED, "synthetic": True}}, "0.10000000001 USD SYNTHETIC"),
        ({"cost": {"actual": "0.00", "synthetic": True}}, ""),
    ],
    ids=[
        "old server",
        "no cost",
        "nothing",
        "a budget",
        "paid",
        "paid of a budget",
        "no price",
        "a part",
        "emulated",
        "emulated and nothing yet",
    ],
)
def test_a_cost_is_shown_as_it_came(job: dict[str, Any], shown: str) -> None:
    assert cost_text(job) == shown
    assert summary_line({**job, "id": "job_1", "state": "failed"}).endswith(shown or "failed")


def test_jobs_are_listed_with_their_cost(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    known.lists["/v1/jobs"] = [new_job(1, cost=USED, budget=BUDGET), new_job(2)]

    assert run(["jobs"]) == ExitCode.OK

    assert "0.10000000001 of 1.50 USD" in capsys.readouterr().out.splitlines()[1]


def test_a_budget_is_submitted_as_an_amount(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    known.submitted = new_job(1, cost=USED, budget=BUDGET)

    assert run(["submit", "tune", "--spec", "{}", "--budget", "1.50"]) == ExitCode.OK

    assert known.seen[0].json()["budget"] == BUDGET
    assert capsys.readouterr().out.rstrip().endswith("0.10000000001 of 1.50 USD")


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
