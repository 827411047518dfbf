"""How a model is shown with what its tuning was planned to cost and has cost."""

from typing import Any

from tunecurve.billing import describe_model

PLANNED = {"epochs": 3, "examples": 50, "tokens": 9000, "amount": "0.027", "low": "0.02"}
BILLED = {"epochs": 4, "examples": 50, "steps": 28, "tokens": 12000, "amount": "0.036"}


def test_plan_and_bill_stand_side_by_side() -> None:
    billing: dict[str, Any] = {"planned": PLANNED, "billed": BILLED, "ratio": 1.3333}
    billing["findings"] = [{"code": "rows_dropped", "message": "2 rows were dropped"}]
    shown = describe_model({"id": "model_1", "endpoint": None, "billing": billing})
    assert shown.splitlines() == [
        "id  model_1",
        "",
        "TRAINING          PLANNED  BILLED",
        "epochs            3        4",
        "examples          50       50",
        "steps             -        28",
        "tokens            9000     12000",
        "cost, US dollars  0.03     0.04",
        "at least          0.02     -",
        "at most           -        -",
        "Billed by planned cost: 1.3333",
        "Finding rows_dropped: 2 rows were dropped",
    ]


def test_a_model_that_is_not_billed_is_its_fields() -> None:
    assert describe_model({"id": "model_1", "billing": None}) == "id  model_1"
