"""A model for people: its fields, and plan and bill of its tuning side by side."""

from collections.abc import Mapping

from tunecurve.money import money_text
from tunecurve.output import Column, Row, object_text, render_table

_FIELDS = ("epochs", "examples", "steps", "tokens", "amount", "low", "high")
_NAMES = {"amount": "cost, US dollars", "low": "at least", "high": "at most"}
_COLUMNS: Mapping[str, Column] = {
    "TRAINING": lambda row: row["name"],
    "PLANNED": lambda row: row["planned"],
    "BILLED": lambda row: row["billed"],
}


def describe_model(model: Row) -> str:
    """Return a model's fields and, once its tuning is billed, a table of plan and bill."""
    billing = model.get("billing")
    fields = object_text({name: value for name, value in model.items() if name != "billing"})
    if not billing:
        return fields
    planned, billed = billing["planned"], billing["billed"]
    rows = [
        {
            "name": _NAMES.get(name, name),
            "planned": _value(planned, name),
            "billed": _value(billed, name),
        }
        for name in _FIELDS
    ]
    lines = [fields, "", render_table(_COLUMNS, rows)]
    if billing["ratio"] is not None:
        lines += [f"Billed by planned cost: {billing['ratio']:g}"]
    lines += [f"Finding {each['code']}: {each['message']}" for each in billing["findings"]]
    return "\n".join(lines)


def _value(counts: Row, name: str) -> object:
    """Return a number of a plan or bill, as people read it; None where there is none."""
    value = counts.get(name)
    return money_text(value) if name in _NAMES and value is not None else value
