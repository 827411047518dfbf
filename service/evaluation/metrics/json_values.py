"""Answers that are JSON, compared by their values: as a whole, and field by field."""

import json
import re
from collections import Counter
from collections.abc import Hashable, Iterator
from decimal import Decimal, DecimalException
from typing import Any, Literal

from service.evaluation.metrics.measures import CountAverage, RowAverage, compose, share_of
from service.evaluation.metrics.normal_forms import strip_fence
from service.evaluation.statistics.intervals import Array

Fields = Counter[tuple[Hashable, ...]]
_LIST = 0  # stands in a path for a place in a list; keys are texts
_OPENING = re.compile(r"[{\[]")
_MOST_DIGITS = 5_000  # of a number, as Python reads no longer integers


class JsonEqual(RowAverage):
    """Share of answers whose JSON has a reference's value, 0 to 100.

    The order of keys, white space, and what stands around the one object or list of the answer
    make no difference; the order of lists does. 1 equals 1.0; neither true nor "1" equals 1, and
    null is not an absent key; a letter equals its escape, and its composed form. JSON with a key
    twice, NaN, comments or other quotes is none. A reference that is no JSON is compared as text.
    """

    def earned(self, prediction: str, reference: str) -> float:
        try:
            expected = comparable(reference)
        except (ValueError, RecursionError):
            return float(strip_fence(prediction) == strip_fence(reference))
        try:
            return float(comparable(json_part(prediction)) == expected)
        except (ValueError, RecursionError):
            return 0.0


class JsonFields(CountAverage):
    """Micro-averaged precision, recall or F1 of the fields of JSON answers, 0 to 100.

    A field is a path of keys with a value that is no object or list; the elements of a list have
    one path, so that their order makes no difference. Values are equal as in JsonEqual. An answer
    that is no JSON counts as one wrong field.
    """

    def __init__(self, part: Literal["precision", "recall", "f1"]) -> None:
        self._part = part

    def counts(self, prediction: str, reference: str) -> tuple[int, int, int]:
        found, expected = _read_fields(json_part(prediction)), _read_fields(reference)
        if found is None or expected is None:
            return 0, 1, (expected or Counter()).total()
        return (found & expected).total(), found.total(), expected.total()

    def totals(self, sums: Array) -> Array:
        if self._part == "f1":
            return super().totals(sums)
        shared, answered, expected = sums[..., 0], sums[..., 1], sums[..., 2]
        whole = answered if self._part == "precision" else expected
        return share_of(shared, whole, empty=answered + expected == 0)


def fields_of(text: str) -> Fields:
    """Return the fields of a JSON text, each with how often it occurs; none where it is no JSON."""
    return _read_fields(text) or Counter()


def _read_fields(text: str) -> Fields | None:
    try:
        return Counter(_walk(_parse(text, exact=True), ()))
    except (ValueError, RecursionError):
        return None


def is_no_json(text: str) -> bool:
    return _read_fields(text) is None


def read_json(text: str) -> Any:
    """Return the value of a JSON text, perhaps in a code fence.

    Raises ValueError for any other, for NaN, and where an object has a key twice.
    """
    return _parse(text)


def json_part(text: str) -> str:
    """Return the JSON of an answer: all of it, or the one object or list that it has among words.

    An answer without one, or with several, is returned whole; a code fence is taken off.
    """
    bare = strip_fence(text)
    found = _OPENING.search(bare)
    if found is None or _is_json(bare):
        return bare
    try:
        _, end = _DECODER.raw_decode(bare, found.start())
    except (ValueError, RecursionError):
        return bare
    return bare if _OPENING.search(bare, end) else bare[found.start() : end]


def comparable(text: str) -> Hashable:
    """Return what is equal for JSON texts of one value; raises what `read_json` does."""
    return _comparable(_parse(text, exact=True))


def canonical(text: str) -> str:
    """Return one spelling for all JSON texts of one value; raises what `read_json` does."""
    return json.dumps(_plain(_parse(text, exact=True)), sort_keys=True)


def _is_json(text: str) -> bool:
    try:
        _parse(text)
    except ValueError:
        return False
    return True


def _parse(text: str, *, exact: bool = False) -> Any:
    """Return the value of a JSON text; `exact` reads numbers as they are written."""
    decoder = _EXACT if exact else _DECODER
    try:
        return decoder.decode(strip_fence(text))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _number(written: str) -> Decimal:
    try:
        number = Decimal(written)
    except DecimalException as error:
        raise ValueError("a number is too large") from error
    if abs(number.adjusted()) > _MOST_DIGITS:
        raise ValueError("a number is too large")
    return number


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in an object")
    return found


_DECODER = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_members)
_EXACT = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_members, parse_float=_number)


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


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {compose(key): _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case bool() | None:
            return value
        case str():
            return compose(value)
        case _:
            return f"\0{Decimal(value).normalize()}"  # no text begins so but this one
