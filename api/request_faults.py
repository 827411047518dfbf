"""What is wrong with a request, in words for people: none of pydantic's, and nothing that was sent
but the names of fields.
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from api.contract_lookup import Schema, form_of, names_in, tags_in
from service.errors import Fault

SchemasAt = Callable[[Sequence[str | int]], list[Schema]]

_POINTER_PART_LENGTH = 64
_KNOWN_SHOWN = 30
_OBJECT = "give an object: named fields in braces"
_WHOLE = "give a whole number"
_MESSAGES = {
    "missing": "this is required",
    "model_attributes_type": _OBJECT,
    "model_type": _OBJECT,
    "dict_type": _OBJECT,
    "list_type": "give a list in square brackets",
    "tuple_type": "give a list in square brackets",
    "set_type": "give a list in square brackets",
    "string_type": "give text in quotes",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "give a smaller whole number",
    "int_from_float": _WHOLE,
    "float_type": "give a number",
    "float_parsing": "give a number",
    "finite_number": "give a finite number",
    "bool_type": "give true or false",
    "bool_parsing": "give true or false",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_too_short": "needs at least {min_length} character(s)",
    "string_too_long": "may have at most {max_length} characters",
    "too_short": "needs at least {min_length} entry(ies)",
    "too_long": "may have at most {max_length} entries",
    "value_error": "{error}",
}
_BY_PREFIX = {
    "date_": "give a day, such as 2026-11-21",
    "datetime_": "give a time with its zone, such as 2026-11-21T08:00:00Z",
    "timezone_": "give a time with its zone, such as 2026-11-21T08:00:00Z",
    "url_": "give a URL, such as https://example.com/hook",
    "bytes_": "give text in quotes",
}


def faults_of(
    found: Sequence[Mapping[str, Any]], *, body: Any, schemas_at: SchemasAt
) -> list[Fault]:
    """Return what pydantic found as faults, each once; `schemas_at` knows what may stand where."""
    faults = [_fault(each, body, schemas_at) for each in found]
    return list({(fault.pointer, fault.message): fault for fault in faults}.values())


def summary_of(faults: Sequence[Fault]) -> str:
    """Return one line: the fault, or where there are several, their places."""
    if len(faults) == 1:
        [fault] = faults
        return f"{fault.pointer}: {fault.message}" if fault.pointer else fault.message
    return f"{len(faults)} faults, at {', '.join(fault.pointer or '/' for fault in faults)}"


def nearest(name: str, known: Sequence[str]) -> str:
    """Return which of the known names was perhaps meant, and which there are."""
    close = get_close_matches(name, known, n=1)
    meant = [f"did you mean `{close[0]}`?"] if close else []
    shown = ", ".join(known[:_KNOWN_SHOWN]) + (", ..." if len(known) > _KNOWN_SHOWN else "")
    return " ".join([*meant, f"known: {shown}" if known else "there are none here"])


def pointer_part(name: str | int) -> str:
    """Return a name as part of a JSON pointer, cut where it is long."""
    return str(name)[:_POINTER_PART_LENGTH].replace("~", "~0").replace("/", "~1")


def _fault(found: Mapping[str, Any], body: Any, schemas_at: SchemasAt) -> Fault:
    place, kind = found["loc"], str(found["type"])
    pointer = _pointer(place, body, is_missing=kind == "missing")
    context = found.get("ctx") or {}
    match kind:
        case "union_tag_invalid" | "union_tag_not_found":
            name = str(context["discriminator"]).strip("'")
            return Fault(f"{pointer}/{name}", f"unknown_{name}", _tags(found, schemas_at))
        case "extra_forbidden":
            known = names_in(schemas_at(place[:-1]))
            message = f"there is no such field here; {nearest(str(place[-1]), known)}"
        case "literal_error" | "enum":
            message = _one_of(str(context.get("expected", "")), found.get("input"))
        case "string_pattern_mismatch":
            message = f"not in the form that is asked for: give {form_of(schemas_at(place))}"
        case _ if "known" in context:
            message = nearest(str(found.get("input")), context["known"])
        case _:
            message = _sentence(kind, context) or _form(schemas_at(place))
    return Fault(pointer, kind, message)


def _tags(found: Mapping[str, Any], schemas_at: SchemasAt) -> str:
    known = tags_in(schemas_at(found["loc"]))
    sent = found.get("input")
    name = str(found["ctx"]["discriminator"]).strip("'")
    if not isinstance(sent, Mapping) or name not in sent:
        return f"this is required; {nearest('', known)}"
    return nearest(str(sent[name]), known)


def _one_of(expected: str, sent: Any) -> str:
    known = [each.strip("' ") for each in expected.replace(" or ", ", ").split(",")]
    return nearest(str(sent), known)


def _sentence(kind: str, context: Mapping[str, Any]) -> str | None:
    if kind in _MESSAGES:
        return _MESSAGES[kind].format_map(context)
    for prefix, message in _BY_PREFIX.items():
        if kind.startswith(prefix):
            return message
    return None


def _form(schemas: Sequence[Schema]) -> str:
    form = form_of(schemas)
    return f"not what is asked for: {form}" if form else "not what is asked for here"


def _pointer(location: Sequence[str | int], body: Any, *, is_missing: bool) -> str:
    """Return `/spec/train_sizes/0` for a body, the bare name for a parameter.

    The location also names the member of a union that was tried; the body knows no such key, and
    only what is missing has a place that it does not know.
    """
    where, *parts = [part for part in location if part != "[key]"]
    if where != "body":
        return "/".join(map(str, parts))
    pointer, value = "", body
    for position, part in enumerate(parts):
        holds = _holds(value, part)
        if not holds and not (is_missing and position == len(parts) - 1):
            continue
        pointer += "/" + pointer_part(part)
        value = value[part] if holds else None
    return pointer


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value
