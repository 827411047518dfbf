"""Rows that were dropped or refused, remembered by number and never by content."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from service.errors import Fault, Invalid

FAULTS_SHOWN = 20
ROWS_SHOWN = 5


class DropReason(StrEnum):
    """Why a row of the source is not in the dataset, although nothing is wrong with it."""

    EMPTY_TEXT = "empty_text"
    UNANSWERABLE = "unanswerable"
    DUPLICATE = "duplicate"
    BEYOND_TEST_SIZE = "beyond_test_size"
    BEYOND_VALIDATION_SIZE = "beyond_validation_size"


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

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class RowFaults:
    """Gathers what is wrong with rows, so that one answer names up to twenty of them."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, row: int, code: str, message: str) -> None:
        """Note a fault; raise Invalid when that is as many as one answer shows."""
        self._faults.append(Fault(f"row {row}", code, message))
        if len(self._faults) == FAULTS_SHOWN:
            self.finish()

    def finish(self) -> None:
        """Raise Invalid with the code of the first fault; do nothing where there was none."""
        if not self._faults:
            return
        first, *others = self._faults
        more = f"; {len(others)} more" if others else ""
        message = f"{first.pointer}: {first.message}{more}"
        raise Invalid(message, code=first.code, faults=self._faults)
