"""What is wrong with rows: every fault is counted, the first thousand are kept."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

FAULTS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class RowFault:
    """One thing wrong with one row; `message` says how to mend it and never holds content.

    `row` counts from 1 as the source does (lines of JSONL, records of others); 0 is the header.
    `field` is the column concerned, empty where the whole row is.
    """

    row: int
    field: str
    code: str
    message: str


@dataclass(slots=True)
class FaultLog:
    """Counts all faults and keeps the first ones, so that a hopeless file costs no memory."""

    faults: list[RowFault] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    limit: int = FAULTS_KEPT

    def add(self, row: int, code: str, message: str, *, column: str = "") -> None:
        self.counts[code] = self.counts.get(code, 0) + 1
        if len(self.faults) < self.limit:
            self.faults.append(RowFault(row, column[:64], code, message))

    def take(self, other: "FaultLog", *, offset: int = 0) -> None:
        """Add what another log holds, whose rows follow `offset` others."""
        room = max(0, self.limit - len(self.faults))
        self.faults += [replace(each, row=each.row + offset) for each in other.faults[:room]]
        for code, count in other.counts.items():
            self.counts[code] = self.counts.get(code, 0) + count

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Level(StrEnum):
    """An error ends the job before anything is stored; a warning goes into the report."""

    ERROR = "error"
    WARNING = "warning"
