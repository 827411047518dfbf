"""Which of several answers counts."""

from datetime import UTC, datetime

import pytest

from service.evaluation.repository import Sample
from service.evaluation.results import majority

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def samples(*texts: str) -> list[Sample]:
    """Return samples in order; one that starts with `!` has that word as its outcome instead."""
    return [
        Sample(
            example_id="ex",
            sample=number,
            outcome=text.removeprefix("!") if text.startswith("!") else "ok",
            text="" if text.startswith("!") else text,
            finish_reason="STOP",
            error="",
            prompt_tokens=1,
            output_tokens=1,
            synthetic=True,
            cached=False,
            created_at=NOW,
        )
        for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("texts", "elected", "agreement"),
    [
        (("a",), 0, 1),
        (("a", "b", "b"), 1, 2),
        (("b", "a", "a ", " b"), 0, 2),
        (("a", "b", "c"), 0, 1),
        (("!failed", "!refused", "c"), 2, 1),
        (("!refused", "!failed"), 0, 0),
        (("!truncated", "a", "b", "b"), 2, 2),
    ],
)
def test_the_answer_given_most_often_counts_and_of_equals_the_earliest(
    texts: tuple[str, ...], elected: int, agreement: int
) -> None:
    found, agreed = majority(samples(*texts))
    assert (found.sample, agreed) == (elected, agreement)
