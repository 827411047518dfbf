"""The `tuningDataStats` of a tuning, in the shape of recorded jobs."""

from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

from emulator.tokens import count_billable_characters, count_tokens
from emulator.tuning.examples import Example

_LONGEST_EXAMPLE_TOKENS = 131_072
_SHOWN_EXAMPLES = 3
_BUCKETS = 10


def describe_examples(examples: Sequence[Example], *, steps: int) -> dict[str, Any]:
    """Return `supervisedTuningDataStats`: int64 as strings, figures of distributions as numbers.

    Billable tokens are those of one pass, not times the epochs, as in a recorded job. Like the real
    service it shows the first examples themselves: whoever logs a job logs training text.
    """
    inputs = [count_tokens(example.prompt) for example in examples]
    outputs = [count_tokens(example.target) for example in examples]
    texts = [example.prompt + example.target for example in examples]
    stats: dict[str, Any] = {
        "tuningDatasetExampleCount": str(len(examples)),
        "totalTuningCharacterCount": str(sum(map(len, texts))),
        "totalBillableCharacterCount": str(sum(map(count_billable_characters, texts))),
        "totalBillableTokenCount": str(sum(inputs) + sum(outputs)),
        "tuningStepCount": str(steps),
        "userInputTokenDistribution": describe_counts(inputs),
        "userOutputTokenDistribution": describe_counts(outputs),
        "userMessagePerExampleDistribution": describe_counts(
            [len(example.contents) for example in examples]
        ),
        "userDatasetExamples": [
            content for e in examples[:_SHOWN_EXAMPLES] for content in e.contents
        ],
    }
    return stats | _describe_long(inputs, outputs)


def _describe_long(inputs: Sequence[int], outputs: Sequence[int]) -> dict[str, Any]:
    sizes = [given + asked for given, asked in zip(inputs, outputs, strict=True)]
    rows = [row for row, size in enumerate(sizes, start=1) if size > _LONGEST_EXAMPLE_TOKENS]
    if not rows:
        return {}
    indices = [str(row) for row in rows]
    return {"totalTruncatedExampleCount": str(len(rows)), "truncatedExampleIndices": indices}


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
