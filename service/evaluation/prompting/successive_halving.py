"""How the prompts of a search are thinned out: half of them go after each round. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2


@dataclass(frozen=True, slots=True)
class Round:
    """So many prompts are asked the first `rows` validation rows; those asked before count."""

    prompts: int
    rows: int


def plan_rounds(prompts: int, *, rows: int, calls: int) -> tuple[Round, ...]:
    """Return the rounds of a search over `prompts` within so many calls; () where none fits.

    Successive halving: each round gets an equal part of the calls, asks all prompts that are left
    the same rows, and keeps the better half, so that the last two meet the most rows. Source:
    Karnin, Koren and Somekh (2013), Almost optimal exploration in multi-armed bandits; Jamieson
    and Talwalkar (2016), Non-stochastic best arm identification and hyperparameter optimization.
    Rows of an earlier round are counted again, though the cache has their answers.
    """
    count = max(1, ceil(log2(prompts))) if prompts > 1 else 0
    planned: list[Round] = []
    for number in range(count):
        left = ceil(prompts / 2**number)
        planned.append(Round(left, min(rows, calls // count // left)))
    return tuple(planned) if planned and all(each.rows for each in planned) else ()


def keep_best(scores: Sequence[float | None], *, keep: int, higher_is_better: bool) -> list[int]:
    """Return the places of the best scores, in order; of equals the earlier. None is the worst."""
    sign = -1 if higher_is_better else 1

    def order(place: int) -> tuple[bool, float, int]:
        value = scores[place]
        return value is None, sign * (value or 0), place

    return sorted(sorted(range(len(scores)), key=order)[:keep])
