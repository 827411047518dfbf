"""A search for a better prompt: how a model is asked to write one, and how those that are tried are
thinned out, half of them after each round. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2

from service.datasets.examples import Example
from service.evaluation.metrics.normal_forms import strip_fence

_MOST = 20_000  # characters, as of an instruction that a user gives
_REQUEST = (
    "Write a better instruction for the task below. Keep what it says of the form of answers and "
    "of the labels; add what the examples show that it does not say. Reply with the instruction "
    "alone."
)


def proposal_prompt(instruction: str, examples: Sequence[Example]) -> str:
    """Return what asks for an instruction; the examples are of the training split."""
    shown = "\n\n".join(
        f"<example>\n{each.text}\n<target>\n{each.target}\n</target>\n</example>"
        for each in examples
    )
    return f"{_REQUEST}\n\n<instruction>\n{instruction}\n</instruction>\n\n{shown}"


def read_proposal(text: str) -> str:
    """Return the instruction that a model has written; "" where it is none."""
    written = strip_fence(text)
    return written if len(written) <= _MOST else ""


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
