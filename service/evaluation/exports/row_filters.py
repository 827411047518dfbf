"""Which rows of an evaluation's table to show. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.evaluation.metrics.json_values import fields_of


@dataclass(frozen=True, slots=True)
class RowFilter:
    """None does not restrict. `field` keeps rows whose JSON answer is wrong in this field."""

    outcome: str | None = None
    label: str | None = None
    group: str | None = None
    answer: str | None = None
    finding: str | None = None
    correct: bool | None = None
    field: str | None = None

    def accepts(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row passes; tables of earlier versions lack some columns."""
        equal = {
            name: getattr(self, name)
            for name in ("outcome", "label", "group", "answer", "correct")
            if getattr(self, name) is not None
        }
        if any(row.get(name) != value for name, value in equal.items()):
            return False
        if self.finding is not None and self.finding not in row.get("findings", ()):
            return False
        return self.field is None or is_wrong_in(row, self.field)


def is_wrong_in(row: Mapping[str, Any], field: str) -> bool:
    """Say whether an answer's JSON differs from all references in a field, named `a.b`."""
    answered = _values(row.get("answer") or row["prediction"] or "", field)
    return all(answered != _values(gold, field) for gold in row["references"])


def _values(text: str, field: str) -> dict[tuple[Any, ...], int]:
    wanted = tuple(field.split("."))
    found = fields_of(text).items()
    return {path: count for path, count in found if _keys(path)[: len(wanted)] == wanted}


def _keys(path: tuple[Any, ...]) -> tuple[str, ...]:
    """Return the keys of a field without its value and its places in lists."""
    return tuple(each for each in path[:-1] if isinstance(each, str))
