"""What an experiment says of its race: what was stopped and saved, or that nothing was."""

from dataclasses import replace

import pytest

from service.experiments.answer import answer
from service.experiments.decisions.front import VariantCost
from service.experiments.decisions.laps import race_result
from service.experiments.learning_curve.curve import learning_curve
from service.money import NANO
from tests.service.experiments.curves import ZERO, analysed, tuned

COSTS = {"tuned@50": VariantCost(10.0, 2.0, per_thousand=NANO, tuning=0)}


@pytest.mark.parametrize(
    ("rows", "variants", "stopped", "words"),
    [
        (200, 3, 50, "the race stopped 1 tuned variant early, which saved 150 calls (0.15 dollars"),
        (200, 3, None, "the race compared the tuned variants 3 times before all rows were asked"),
        (60, 2, None, "the race compared the tuned variants once before all rows were asked and"),
        (40, 3, None, "the race had nothing to compare: it takes two tuned variants and 50 test"),
        (200, 1, None, "the race had nothing to compare"),
    ],
)
def test_a_race_says_what_it_compared_stopped_and_saved(
    rows: int, variants: int, stopped: int | None, words: str
) -> None:
    first, *rest = tuned({50: 80.0, 200: 90.0, 800: 92.0})
    points = [ZERO, replace(first, stopped_after=stopped), *rest][: variants + 1]
    race = race_result(points, COSTS, rows=rows)
    said = answer(replace(analysed(learning_curve("accuracy", points)), race=race))
    assert words in said
    assert ("that cost nothing" in said) == (race.looks > 0 and not race.stopped)
