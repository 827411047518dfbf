"""Self-consistency: several answers to one row, of which the one given most often counts. Pure.

Wang et al., Self-Consistency Improves Chain of Thought Reasoning in Language Models (2023).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from service.inference.ports import Outcome


@dataclass(frozen=True, slots=True)
class Sample:
    """One stored answer to one row."""

    example_id: str
    sample: int
    outcome: str
    text: str
    finish_reason: str
    error: str
    prompt_tokens: int
    output_tokens: int
    synthetic: bool
    cached: bool
    created_at: datetime


def elect(samples: Sequence[Sample]) -> tuple[Sample, int]:
    """Return the sample that speaks for a row, and how many samples agree with it.

    Only answers vote, and those that differ in outer white space alone agree. Of those with as
    many votes the earliest wins; where there is no answer at all the first sample is the row's
    outcome, and none agrees. `samples` are in order, at least one.
    """
    voters = [each for each in samples if each.outcome == Outcome.OK]
    if not voters:
        return samples[0], 0
    votes = Counter(each.text.strip() for each in voters)
    most = max(votes.values())
    elected = next(each for each in voters if votes[each.text.strip()] == most)
    return elected, most
