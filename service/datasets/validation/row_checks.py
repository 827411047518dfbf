"""All rules about rows over all batches: what was broken, how often, and where first."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from service.datasets.row_faults import Level, RowFault
from service.datasets.validation.row_rules import (
    CHARACTER_RULES,
    RowRule,
    has_unusual_characters,
    json_like,
)

ROWS_KEPT = 1000
_JSON_RULE = "json_target_does_not_parse"
_JSON_MESSAGE = "the target begins like JSON and does not parse; mend its quotes and brackets"


@dataclass(slots=True)
class RuleViolations:
    """Rows that break one rule: how many, and the numbers of the first thousand."""

    rows: int = 0
    first_rows: list[int] = field(default_factory=list)

    def add(self, numbers: Sequence[int]) -> None:
        self.rows += len(numbers)
        self.first_rows += numbers[: ROWS_KEPT - len(self.first_rows)]

    def absorb(self, other: "RuleViolations") -> None:
        """Add what another one has found, in rows that follow ours."""
        self.rows += other.rows
        self.first_rows += other.first_rows[: ROWS_KEPT - len(self.first_rows)]


class RowChecks:
    """Checks batch by batch; never raises, so that one pass finds everything."""

    def __init__(self, rules: Sequence[RowRule]) -> None:
        self._plain = tuple(rules)
        self.rules = (*rules, *CHARACTER_RULES, _json_rule())
        self._broken = {rule.id: RuleViolations() for rule in self.rules}
        self.json_targets = 0

    def check(self, converted: pl.DataFrame) -> None:
        """Note which of the examples break which rule."""
        self._check(converted, self._plain)
        odd_rows = converted.filter(has_unusual_characters())
        if odd_rows.height:
            self._check(odd_rows, CHARACTER_RULES)
        self._check_json(converted)

    def _check(self, converted: pl.DataFrame, rules: Sequence[RowRule]) -> None:
        broken = [rule.broken.fill_null(value=False).alias(rule.id) for rule in rules]
        found = converted.select("row", *broken)
        for rule in rules:
            if found[rule.id].any():
                self._broken[rule.id].add(found.filter(pl.col(rule.id))["row"].to_list())

    def _check_json(self, converted: pl.DataFrame) -> None:
        like = converted.filter(json_like(pl.col("target"))).select("row", "target")
        self.json_targets += like.height
        bad = [row for row, target in like.iter_rows() if not _parses(target)]
        self._broken[_JSON_RULE].add(bad)

    def summary(self) -> dict[str, Any]:
        """Return what was found, as JSON that `absorb` takes."""
        broken = {name: asdict(each) for name, each in self._broken.items() if each.rows}
        return {"json_targets": self.json_targets, "broken": broken}

    def absorb(self, summary: Mapping[str, Any]) -> None:
        """Add what others have found in rows that follow ours."""
        self.json_targets += summary["json_targets"]
        for name, found in summary["broken"].items():
            self._broken[name].absorb(RuleViolations(**found))

    def broken(self, level: Level) -> Iterator[tuple[RowRule, RuleViolations]]:
        """Yield the rules of a level that some row breaks."""
        for rule in self.rules:
            broken = self._broken[rule.id]
            if rule.level is level and broken.rows:
                yield rule, broken

    def take_faults(self) -> list[RowFault]:
        """Return what ends the job, rule by rule, and forget it."""
        found = []
        for rule, broken in self.broken(Level.ERROR):
            found += [RowFault(n, rule.field, rule.id, rule.message) for n in broken.first_rows]
            self._broken[rule.id] = RuleViolations()
        return found


def _json_rule() -> RowRule:
    return RowRule(_JSON_RULE, Level.WARNING, "target", _JSON_MESSAGE, pl.lit(value=False))


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
