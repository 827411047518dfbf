"""The lane of an evaluation: a batch where it can run, in time, for less, with the reason."""

from dataclasses import replace

import pytest

from service.catalogue.catalogue import load_catalogue
from service.catalogue.prices import CallPrice
from service.errors import Invalid
from service.evaluation.lanes import MOST_REQUESTS, Lane, LaneInputs, choose_lane

FULL = CallPrice(input=300, output=2500, cached_input=300)
HALF = CallPrice(input=150, output=1250, cached_input=150)
INPUTS = LaneInputs(
    base_model="gemini-2.5-flash",
    tuned=False,
    has_batch=True,
    requests=1000,
    deadline_hours=None,
    storage="gs://bucket/data/x",
    online=FULL,
    batch=HALF,
)


@pytest.mark.parametrize(
    ("change", "lane", "because"),
    [
        ({}, Lane.BATCH, "a batch costs 50% of calls online, and there is no deadline"),
        ({"deadline_hours": 24}, Lane.BATCH, "the deadline of 24 hours allows it"),
        ({"deadline_hours": 2}, Lane.ONLINE, "may take 24 hours, and the deadline is 2"),
        ({"batch": FULL}, Lane.ONLINE, "costs no less"),
        ({"batch": None}, Lane.ONLINE, "no price of gemini-2.5-flash is known"),
        ({"online": None}, Lane.ONLINE, "no price"),
        ({"online": CallPrice(0, 0, 0)}, Lane.ONLINE, "costs no less"),
        ({"storage": "file:///data"}, Lane.ONLINE, "Cloud Storage"),
        ({"requests": MOST_REQUESTS}, Lane.BATCH, "50%"),
        ({"requests": MOST_REQUESTS + 1}, Lane.ONLINE, "a batch takes 200000 requests"),
        ({"tuned": True}, Lane.BATCH, "50%"),
        ({"base_model": "gemini-3.5-flash"}, Lane.BATCH, "50%"),
        (
            {"tuned": True, "base_model": "gemini-3.5-flash"},
            Lane.ONLINE,
            "tuned gemini-3.5-flash has no batch prediction",
        ),
        (
            {"tuned": True, "base_model": "gemini-10-pro"},
            Lane.ONLINE,
            "tuned gemini-10-pro has no batch prediction",
        ),
        ({"tuned": True, "base_model": "gemma-4"}, Lane.ONLINE, "no batch prediction"),
    ],
    ids=str,
)
def test_auto_weighs_price_deadline_and_what_can_be_done(
    change: dict[str, object], lane: Lane, because: str
) -> None:
    inputs = replace(INPUTS, **change)  # type: ignore[arg-type]
    serving = load_catalogue().entry(inputs.base_model).serving
    has_batch = serving.batch_tuned if inputs.tuned else serving.batch_base
    choice = choose_lane(Lane.AUTO, replace(inputs, has_batch=has_batch))
    assert choice.lane is lane
    assert because in choice.reason


def test_online_is_never_argued_with() -> None:
    assert choose_lane(Lane.ONLINE, INPUTS).lane is Lane.ONLINE


def test_a_batch_that_is_asked_for_needs_neither_price_nor_time() -> None:
    inputs = replace(INPUTS, online=None, batch=None, deadline_hours=1)
    assert choose_lane(Lane.BATCH, inputs).lane is Lane.BATCH


def test_a_batch_that_cannot_run_is_refused_with_the_reason() -> None:
    with pytest.raises(Invalid, match="TUNECURVE_STORAGE") as caught:
        choose_lane(Lane.BATCH, replace(INPUTS, storage="file:///data"))
    assert caught.value.code == "lane_not_available"
    assert caught.value.faults[0].pointer == "/spec/lane"
