"""Names of classes that a table holds as numbers, as Hugging Face `datasets` notes them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service.datasets.formats.arrow_arrays import text_array

ClassNames = Mapping[str, Sequence[str]]


def parquet_class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Return the names by column of a Parquet file that `datasets` has written."""
    try:
        noted = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        features = noted["info"]["features"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return {}
    if not isinstance(features, dict):
        return {}
    return {
        name: feature["names"]
        for name, feature in features.items()
        if isinstance(feature, dict)
        and feature.get("_type") == "ClassLabel"
        and _are_names(feature.get("names"))
    }


def card_class_names(features: object) -> dict[str, list[str]]:
    """Return the names by column of the features in a dataset's card."""
    found: dict[str, list[str]] = {}
    for feature in features if isinstance(features, list) else []:
        match feature:
            case {"name": str(name), "dtype": {"class_label": {"names": given}}}:
                names = _by_number(given) if isinstance(given, dict) else given
                if _are_names(names):
                    found[name] = names
            case _:
                pass  # a column of another kind
    return found


def _by_number(names: Mapping[Any, Any]) -> list[Any]:
    return [names.get(str(number), names.get(number)) for number in range(len(names))]


def _are_names(names: object) -> bool:
    return isinstance(names, list) and bool(names) and all(isinstance(n, str) and n for n in names)


def with_names(columns: Mapping[str, Any], names: ClassNames) -> dict[str, Any]:
    """Return columns of texts with the names of classes in place of their numbers."""
    return {
        name: _named(column, names[name]) if name in names else column
        for name, column in columns.items()
    }


def _named(column: Any, names: Iterable[str]) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    known = text_array(list(names)).cast(pa.string())
    numbers = text_array([*map(str, range(len(known)))]).cast(pa.string())
    return compute.coalesce(known.take(compute.index_in(column, value_set=numbers)), column)
