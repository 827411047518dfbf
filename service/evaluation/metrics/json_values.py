"""Answers that are JSON, compared by their values: as a whole, and field by field."""

import json
from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Any, Literal

from service.evaluation.metrics.measures import CountAverage, RowAverage, compose, share_of
from service.evaluation.metrics.normal_forms import strip_fence
from service.evaluation.statistics.intervals import Array

Fields = Counter[tuple[Hashable, ...]]
_LIST = 0  # stands in a path for a place in a list; keys are texts


class JsonEqual(RowAverage):
    """Share of answers whose JSON has a reference's value, 0 to 100.

    The order of keys, white space and a code fence around the answer make no difference; the
    order of lists does. 1 equals 1.0; true does not equal 1; a letter equals its escape, and its
    composed form. A reference that is no JSON is compared as text.
    """

    def earned(self, prediction: str, reference: str) -> float:
        try:
            expected = _comparable(read_json(reference))
        except (ValueError, RecursionError):
            return float(strip_fence(prediction) == strip_fence(reference))
        try:
            return float(_comparable(read_json(prediction)) == expected)
        except (ValueError, RecursionError):
            return 0.0


class JsonFields(CountAverage):
    """Micro-averaged precision, recall or F1 of the fields of JSON answers, 0 to 100.

    A field is a path of keys with a value that is no object or list; the elements of a list have
    one path, so that their order makes no difference. Values are equal as in JsonEqual. An answer
    that is no JSON has no fields.
    """

    def __init__(self, part: Literal["precision", "recall", "f1"]) -> None:
        self._part = part

    def counts(self, prediction: str, reference: str) -> tuple[int, int, int]:
        found, expected = fields_of(prediction), fields_of(reference)
        return (found & expected).total(), found.total(), expected.total()

    def totals(self, sums: Array) -> Array:
        if self._part == "f1":
            return super().totals(sums)
        shared, answered, expected = sums[..., 0], sums[..., 1], sums[..., 2]
        whole = answered if self._part == "precision" else expected
        return share_of(shared, whole, empty=answered + expected == 0)


def fields_of(text: str) -> Fields:
    """Return the fields of a JSON text, each with how often it occurs; none where it is no JSON."""
    try:
        return Counter(_walk(read_json(text), ()))
    except (ValueError, RecursionError):
        return Counter()


def read_json(text: str) -> Any:
    """Return the value of a JSON text, perhaps in a code fence; raises ValueError for any other."""
    try:
        return json.loads(strip_fence(text), parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _walk(value: Any, path: tuple[Hashable, ...]) -> Iterator[tuple[Hashable, ...]]:
    """Yield path and value of each field; an empty object or list below the top is one."""
    if isinstance(value, dict) and (value or not path):
        for key, each in value.items():
            yield from _walk(each, (*path, compose(key)))
    elif isinstance(value, list) and (value or not path):
        for each in value:
            yield from _walk(each, (*path, _LIST))
    else:
        yield (*path, _comparable(value))


def _comparable(value: Any) -> Hashable:
    """Return what is equal for equal JSON: Python holds True and 1 for equal, JSON does not."""
    match value:
        case dict():
            return frozenset((compose(key), _comparable(each)) for key, each in value.items())
        case list():
            return tuple(map(_comparable, value))
        case bool():
            return ("boolean", value)
        case str():
            return compose(value)
        case _:
            return value  # type: ignore[no-any-return]  # a number or None
