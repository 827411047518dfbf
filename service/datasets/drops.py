"""Rows that were dropped, known by number and never by content."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

FAULTS_SHOWN = 20
ROWS_SHOWN = 5


class DropReason(StrEnum):
    """Why a row of the source is not in the dataset, although nothing is wrong with it."""

    EMPTY_TEXT = "empty_text"
    UNANSWERABLE = "unanswerable"
    DUPLICATE = "duplicate"
    ZERO_WEIGHT = "zero_weight"
    ANSWER_MISSING = "answer_missing"
    EQUAL_ANSWERS = "equal_answers"
    NO_SHARED_PROMPT = "no_shared_prompt"
    CONFLICTING_PREFERENCE = "conflicting_preference"
    OVER_LONG = "over_long"
    NEAR_DUPLICATE = "near_duplicate"
    LIKE_HELD_OUT = "like_held_out"
    BEYOND_TEST_SIZE = "beyond_test_size"
    BEYOND_VALIDATION_SIZE = "beyond_validation_size"


_WORDS: Mapping[str, str] = {
    DropReason.DUPLICATE: "exact duplicate",
    DropReason.ZERO_WEIGHT: "weight 0",
    DropReason.LIKE_HELD_OUT: "too like a held-out row",
    DropReason.BEYOND_TEST_SIZE: "in a held-out group, beyond the test size",
    DropReason.BEYOND_VALIDATION_SIZE: "in a held-out group, beyond the validation size",
}


def reason_words(reason: str) -> str:
    """Return a reason as pages say it; `reason` may be one of an earlier version."""
    return _WORDS.get(reason, reason.replace("_", " "))


@dataclass(slots=True)
class Drops:
    """Counts of dropped rows by reason, with the first row numbers of each."""

    counts: dict[DropReason, int] = field(default_factory=dict)
    first_rows: dict[DropReason, list[int]] = field(default_factory=dict)

    def add(self, reason: DropReason, rows: Iterable[int]) -> None:
        numbers = sorted(rows)
        if not numbers:
            return
        self.counts[reason] = self.counts.get(reason, 0) + len(numbers)
        shown = self.first_rows.setdefault(reason, [])
        shown[:] = sorted([*shown, *numbers[:ROWS_SHOWN]])[:ROWS_SHOWN]

    def absorb(self, other: "Drops") -> None:
        for reason, count in other.counts.items():
            self.counts[reason] = self.counts.get(reason, 0) + count
            shown = [*self.first_rows.get(reason, []), *other.first_rows[reason]]
            self.first_rows[reason] = sorted(shown)[:ROWS_SHOWN]

    @property
    def total(self) -> int:
        return sum(self.counts.values())
