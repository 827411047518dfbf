"""What a target must be where the task says so: a label of a set, or JSON. Pure."""

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from service.datasets.presets.json_schema import mismatches
from service.datasets.presets.preset import RowProblem
from service.datasets.wording import fold


def label_of(given: str, spelled: Mapping[str, str]) -> str | RowProblem:
    """Return a label as the set spells it, by its folded spelling; an empty one stays empty."""
    if not given.strip():
        return ""
    label = spelled.get(fold(given))
    if label is not None:
        return label
    message = f"the label is none of the {len(spelled)} there are; mend it or add it to them"
    return RowProblem("unknown_label", message)


def json_target(given: str, schema: Mapping[str, Any] | None) -> str | RowProblem:
    """Return a target as one line of JSON, members in their order, or what is wrong with it.

    An empty one stays empty. Codes: `target_not_json`, `target_not_as_schema`.
    """
    if not given.strip():
        return ""
    try:
        value = json.loads(given)
        line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return RowProblem("target_not_json", "the target is not JSON; mend or quote it")
    wrong = "; ".join(islice(mismatches(value, schema or {}), 3))
    if wrong:
        return RowProblem("target_not_as_schema", f"{wrong}; mend the target or the schema")
    return line
