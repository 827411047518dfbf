"""The laps of a race, and what the race has saved. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.experiments.decisions.front import CALLS, VariantCost
from service.experiments.learning_curve.curve import Point

_PARTS = (8, 4, 2)  # of the test rows in the laps before the last one, which has all
_LEAST_ROWS = 25  # fewer distinguish no two variants


def laps(rows: int) -> tuple[int, ...]:
    """Return how many test rows have been asked after each lap; the last has them all."""
    early = {-(-rows // part) for part in _PARTS}
    return (*sorted(each for each in early if _LEAST_ROWS <= each < rows), rows)


@dataclass(frozen=True, slots=True)
class RaceResult:
    """`looks` counts the laps after which the tuned variants were compared. `stopped` names those
    that were stopped, `rows_saved` counts the calls that were not made for them, `saved_nano` what
    those would have cost, None where a price is not known.
    """

    looks: int
    stopped: tuple[str, ...]
    rows_saved: int
    saved_nano: int | None


def race_result(
    points: Sequence[Point], costs: Mapping[str, VariantCost], *, rows: int
) -> RaceResult:
    """Return what a race has saved of `rows` a variant."""
    ran = [each for each in points if each.kind.is_tuned and each.value is not None]
    stopped = [each for each in ran if each.stopped_after is not None]
    saved = {each.name: rows - (each.stopped_after or 0) for each in stopped}
    prices = [costs[name].per_thousand if name in costs else None for name in saved]
    known = [price for price in prices if price is not None]
    nano = sum(price * left // CALLS for price, left in zip(known, saved.values(), strict=False))
    return RaceResult(
        looks=len(laps(rows)) - 1 if len(ran) > 1 else 0,
        stopped=tuple(saved),
        rows_saved=sum(saved.values()),
        saved_nano=nano if len(known) == len(prices) else None,
    )
