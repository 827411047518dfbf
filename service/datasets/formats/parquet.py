"""Parquet columns as texts, spelled as JSON Lines would spell the same values."""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from service.datasets.formats.read_context import ReadContext
from service.errors import Invalid

_REPEATED = object()  # stands for a map that names a key twice
_BEYOND = object()  # stands for a time that no calendar has
_TOO_DEEP = "lists and objects lie too deep; flatten them"


def readable_columns(schema: Any, context: ReadContext) -> list[str]:
    """Return the columns to read: the needed ones, or those with a name and without bytes in them.

    A needed column of bytes is read as UTF-8, unless the bytes are inside something else. Raises
    Invalid `duplicate_column`, `unsupported_column`, `too_many_columns`, `column_name_too_long`.
    """
    context.add_columns(field.name for field in schema if field.name and _is_known(field, context))
    fields = [field for field in schema if field.name and context.needs(field.name)]
    if context.needed is None:
        fields = [field for field in fields if not _holds_bytes(field.type, 0)]
    names = [field.name for field in fields]
    if len(set(names)) < len(names):
        message = "the file names a column twice; rename or delete one of them"
        raise Invalid(message, code="duplicate_column")
    for field in fields:
        if not _is_bytes(field.type) and _holds_bytes(field.type, 0):
            message = (
                f"the column {field.name!r} holds bytes inside lists or objects, such as images; "
                "name a column of text"
            )
            raise Invalid(message, code="unsupported_column")
    return names


def _is_known(field: Any, context: ReadContext) -> bool:
    return context.needed is not None or not _holds_bytes(field.type, 0)


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def _holds_bytes(kind: Any, depth: int) -> bool:
    if depth > 100:  # noqa: PLR2004  deeper than any table; rows of it are refused anyway
        return False
    if _is_bytes(kind):
        return True
    inner = [kind.field(index).type for index in range(kind.num_fields)]
    return any(_holds_bytes(each, depth + 1) for each in inner)


def text_arrays(
    table: Any, numbers: Sequence[int], context: ReadContext
) -> tuple[list[int], dict[str, Any]]:
    """Return the numbers of the good rows and their columns as Arrow arrays of strings.

    Null is the empty text; what cannot be text is a fault of its row, which is left out.
    """
    import pyarrow as pa

    bad: set[int] = set()
    columns: dict[str, Any] = {}
    for name in table.schema.names:
        faults = _ColumnFaults(name, numbers, bad, context)
        columns[name] = _as_texts(table.column(name).combine_chunks(), faults)
        _refuse_long(columns[name], faults)
    if not bad:
        return list(numbers), columns
    kept = pa.array([index for index in range(len(numbers)) if index not in bad], pa.int64())
    good = [number for index, number in enumerate(numbers) if index not in bad]
    return good, {name: array.take(kept) for name, array in columns.items()}


class _ColumnFaults:
    """Notes at most one fault of each row."""

    def __init__(
        self, name: str, numbers: Sequence[int], bad: set[int], context: ReadContext
    ) -> None:
        self.name = name
        self.context = context
        self._numbers = numbers
        self._bad = bad

    def fault(self, index: int, code: str, message: str) -> None:
        if index not in self._bad:
            self._bad.add(index)
            self.context.log.add(self._numbers[index], code, message, column=self.name)


def _as_texts(array: Any, faults: _ColumnFaults) -> Any:
    import pyarrow as pa
    from pyarrow import types

    kind = array.type
    if _is_bytes(kind) or isinstance(kind, pa.UuidType):
        spell_as: Callable[[Any], str] = bytes.decode if _is_bytes(kind) else str
        return pa.array(_spell_all(array.to_pylist(), spell_as, faults), pa.string())
    if isinstance(kind, pa.BaseExtensionType):
        return _as_texts(array.storage, faults)
    if types.is_dictionary(kind):
        return _as_texts(array.dictionary_decode(), faults)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return _checked_strings(array, faults)
    if types.is_integer(kind) or types.is_boolean(kind) or types.is_null(kind):
        return array.cast(pa.string()).fill_null("")
    spell = _spelled_nested if types.is_nested(kind) else _spelled
    if types.is_nested(kind):
        faults.context.nested.add(faults.name)
    return pa.array(_spell_all(_values(array), spell, faults), pa.string())


def _values(array: Any) -> list[Any]:
    """Return Python's values; times are cut to microseconds, and spelled if Python has none."""
    import pyarrow as pa
    from pyarrow import types

    kind = in_microseconds(array.type)
    if kind != array.type:
        array = array.cast(kind, safe=False)
    try:
        values = list(array.to_pylist(maps_as_pydicts="strict"))
        return [_shortest(each, kind) for each in values] if _has_short_floats(kind) else values
    except (KeyError, OverflowError, ValueError):
        if types.is_timestamp(kind) or types.is_date(kind):
            # Arrow knows more years than Python; an unknown zone is left out.
            naive = array.cast(pa.timestamp(kind.unit)) if types.is_timestamp(kind) else array
            return [_time(text) for text in naive.cast(pa.string()).to_pylist()]
        return [_member_value(scalar) for scalar in array]


def _has_short_floats(kind: Any) -> bool:
    from pyarrow import types

    if types.is_float16(kind) or types.is_float32(kind):
        return True
    return any(_has_short_floats(kind.field(at).type) for at in range(kind.num_fields))


def _shortest(value: Any, kind: Any) -> Any:
    """Return a value with its short floats as people write them: 0.1, not 0.10000000149011612."""
    import numpy as np
    from pyarrow import types

    if isinstance(value, float):
        return float(str(np.float16(value) if types.is_float16(kind) else np.float32(value)))
    if isinstance(value, list):
        return [_shortest(each, kind.value_type) for each in value]
    if isinstance(value, dict) and types.is_map(kind):
        return {key: _shortest(each, kind.item_type) for key, each in value.items()}
    if isinstance(value, dict):
        return {name: _shortest(each, kind.field(name).type) for name, each in value.items()}
    return value


def _time(text: str | None) -> Any:
    return _BEYOND if text and text.startswith("<") else text


def in_microseconds(kind: Any) -> Any:
    """Return a type with the nanoseconds of times cut off, which Python's times do not have."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    if types.is_time64(kind) and kind.unit == "ns":
        return pa.time64("us")
    if types.is_struct(kind):
        fields = (kind.field(at) for at in range(kind.num_fields))
        return pa.struct([each.with_type(in_microseconds(each.type)) for each in fields])
    if types.is_list(kind) or types.is_large_list(kind):
        make = pa.list_ if types.is_list(kind) else pa.large_list
        return make(kind.value_field.with_type(in_microseconds(kind.value_type)))
    return kind


def _member_value(scalar: Any) -> Any:
    try:
        return scalar.as_py(maps_as_pydicts="strict")
    except KeyError:
        return _REPEATED
    except (OverflowError, ValueError):
        return _BEYOND


def _checked_strings(array: Any, faults: _ColumnFaults) -> Any:
    """Return strings that are valid UTF-8, which Arrow does not check by itself."""
    import pyarrow as pa

    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        values = array.cast(pa.large_binary()).to_pylist()
        return pa.array(_spell_all(values, bytes.decode, faults), pa.string())
    return array.cast(pa.string()).fill_null("")


def _refuse_long(array: Any, faults: _ColumnFaults) -> None:
    """Note cells longer than a row may be, of an array of strings without nulls."""
    from pyarrow import compute

    limit = faults.context.limits.row_bytes
    lengths = compute.binary_length(array)
    if len(array) and compute.max(lengths).as_py() > limit:
        for index in compute.indices_nonzero(compute.greater(lengths, limit)).to_pylist():
            message = (
                f"a cell is longer than {limit} bytes; shorten it, or raise "
                "TUNECURVE_LINE_BYTES_LIMIT"
            )
            faults.fault(index, "row_too_long", message)


def _spell_all(values: list[Any], spell: Callable[[Any], str], faults: _ColumnFaults) -> list[str]:
    texts = []
    for index, value in enumerate(values):
        text = ""
        if value is _REPEATED:
            faults.fault(index, "duplicate_key", "a map names a key twice; keep one of them")
        if value is _BEYOND:
            faults.fault(index, "invalid_time", "a time that no calendar has; write it as text")
        try:
            text = "" if value is None or value in (_REPEATED, _BEYOND) else spell(value)
        except UnicodeDecodeError:
            faults.fault(index, "wrong_encoding", "bytes that are not UTF-8; write it again")
        except RecursionError:
            faults.fault(index, "too_deep", _TOO_DEEP)
        except ValueError:
            faults.fault(index, "invalid_number", "a number that is not finite; write null")
        texts.append(text)
    return texts


def _spelled(value: Any) -> str:
    """Return a number as JSON writes it, a time in ISO 8601, anything else as it says itself."""
    if isinstance(value, float):
        return json.dumps(value, allow_nan=False)
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def _spelled_nested(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_member)


def _member(value: Any) -> float | str:
    """Return a decimal number as a number where that is exact, anything else as a text."""
    if isinstance(value, Decimal) and Decimal(repr(float(value))) == value:
        return float(value)
    return _spelled(value)
