"""The `tuningDataStats` of a tuning, in the shape of recorded jobs."""

from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

from emulator.prompts import count_billable_characters, count_tokens
from emulator.tuning.examples import Example

_LONGEST_EXAMPLE_TOKENS = 131_072
_SHOWN_EXAMPLES = 3
_SHOWN_DROPPED = 20
_BUCKETS = 10


def is_too_long(example: Example) -> bool:
    """Return whether the service would drop the example as too long."""
    return _size(example) > _LONGEST_EXAMPLE_TOKENS


def _size(example: Example) -> int:
    answers = (example.target, example.rejected)
    return count_tokens(example.prompt) + max(map(count_tokens, answers))


def describe_training(
    examples: Sequence[Example], *, steps: int, pairs: bool
) -> dict[str, dict[str, Any]]:
    """Return `tuningDataStats` of supervised tuning, or of preference tuning on `pairs`."""
    if pairs:
        return {"preferenceOptimizationDataStats": _describe_pairs(examples, steps=steps)}
    return {"supervisedTuningDataStats": describe_examples(examples, steps=steps)}


def _describe_pairs(examples: Sequence[Example], *, steps: int) -> dict[str, Any]:
    """Return `preferenceOptimizationDataStats`: of a pair the prompt is billed twice, and both
    answers (Google's page on preference tuning; never seen in a job).
    """
    kept = [example for example in examples if not is_too_long(example)]
    inputs = [count_tokens(example.prompt) for example in kept]
    outputs = [count_tokens(answer) for e in kept for answer in (e.target, e.rejected)]
    stats: dict[str, Any] = {
        "tuningDatasetExampleCount": str(len(examples)),
        "totalBillableTokenCount": str(2 * sum(inputs) + sum(outputs)),
        "tuningStepCount": str(steps),
        "userInputTokenDistribution": describe_counts(inputs),
        "userOutputTokenDistribution": describe_counts(outputs),
        "userDatasetExamples": [
            {"contents": each.contents, "completions": list(each.completions)}
            for each in kept[:_SHOWN_EXAMPLES]
        ],
    }
    dropped = _describe_dropped(examples)
    named = ("truncatedExampleIndices", "droppedExampleReasons")
    reported = dict(zip(("droppedExampleIndices", named[1]), map(dropped.get, named), strict=True))
    return stats | (reported if dropped else {})


def describe_examples(examples: Sequence[Example], *, steps: int) -> dict[str, Any]:
    """Return `supervisedTuningDataStats`: int64 as strings, figures of distributions as numbers.

    What is too long was dropped: it counts as an example and in nothing else. Billable tokens are
    those of one pass, not times the epochs, as in a recorded job. Like the real service it shows
    the first examples themselves: a logged job contains training text.
    """
    kept = [example for example in examples if not is_too_long(example)]
    inputs = [count_tokens(example.prompt) for example in kept]
    outputs = [count_tokens(example.target) for example in kept]
    texts = [example.prompt + example.target for example in kept]
    stats: dict[str, Any] = {
        "tuningDatasetExampleCount": str(len(examples)),
        "totalTuningCharacterCount": str(sum(map(len, texts))),
        "totalBillableCharacterCount": str(sum(map(count_billable_characters, texts))),
        "totalBillableTokenCount": str(sum(inputs) + sum(outputs)),
        "tuningStepCount": str(steps),
        "userInputTokenDistribution": describe_counts(inputs),
        "userOutputTokenDistribution": describe_counts(outputs),
        "userMessagePerExampleDistribution": describe_counts(
            [len(example.contents) for example in kept]
        ),
        "userDatasetExamples": [content for e in kept[:_SHOWN_EXAMPLES] for content in e.contents],
    }
    return stats | _describe_dropped(examples)


def _describe_dropped(examples: Sequence[Example]) -> dict[str, Any]:
    """Return how many were dropped, and of the first of them the numbers from 1 and the reasons."""
    rows = [row for row, example in enumerate(examples, start=1) if is_too_long(example)]
    if not rows:
        return {}
    shown = rows[:_SHOWN_DROPPED]
    reason = f"The example has more than {_LONGEST_EXAMPLE_TOKENS} tokens."
    return {
        "totalTruncatedExampleCount": str(len(rows)),
        "truncatedExampleIndices": [str(row) for row in shown],
        "droppedExampleReasons": [reason for _ in shown],
    }


def describe_counts(counts: Sequence[int]) -> dict[str, Any]:
    """Return a distribution with ten buckets of equal width."""
    ordered = sorted(counts)
    low, high = ordered[0], ordered[-1]
    return {
        "sum": str(sum(ordered)),
        "billableSum": str(sum(ordered)),
        "min": low,
        "max": high,
        "mean": fmean(ordered),
        "median": median(ordered),
        "p5": ordered[int(0.05 * (len(ordered) - 1))],
        "p95": ordered[int(0.95 * (len(ordered) - 1))],
        "buckets": _buckets(ordered, low=low, width=(high - low) / _BUCKETS),
    }


def _buckets(ordered: Sequence[int], *, low: int, width: float) -> list[dict[str, float]]:
    if not width:
        return [{"count": len(ordered), "left": low, "right": low}]
    counts = [0] * _BUCKETS
    for value in ordered:
        counts[min(_BUCKETS - 1, int((value - low) / width))] += 1
    return [
        {"count": count, "left": low + index * width, "right": low + (index + 1) * width}
        for index, count in enumerate(counts)
        if count
    ]
