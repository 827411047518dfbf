"""What a target must be where the task says so: a label of a set, or JSON of a schema. Pure."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from service.datasets.drops import DropReason
from service.datasets.examples import MISSING_VALUES, fold
from service.datasets.formats.rows import JsonParser, json_fault
from service.datasets.presets.preset import Converted, ConvertedExample, RowProblem

_DEPTH = 16
# Joiners change words of other scripts: they are only invisible at an end and beside ASCII.
_INVISIBLE = re.compile(
    "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufe0e\ufe0f\ufeff]"
    r"|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)
_MISSING = re.compile(MISSING_VALUES)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_ZEROS = re.compile(r"\.0+\Z")
_BOOLEANS = frozenset({"true", "false"})
_OPENING, _CLOSING = frozenset("[({"), frozenset("])}")
_OBJECT = re.compile(r"\s*\{\s*['\"][^'\"]*['\"]\s*:")
_BETWEEN = re.compile(r"[,;|\n]")
_LABELS_SHOWN = 10
_TYPES = ("object", "array", "string", "boolean", "integer", "number", "null")
# None of them refers to another schema, so that nothing is ever fetched.
_KEYWORDS = (
    *("additionalProperties", "description", "enum", "items", "properties", "required"),
    *("title", "type"),
)
_SHAPES = {
    "type": f"`type` is one of {', '.join(_TYPES)}, or a list of them",
    "required": "`required` is a list of names",
    "properties": "`properties` is an object of schemas",
    "enum": "`enum` is a list of values",
}


def check_schema(schema: Any) -> None:
    """Raise ValueError for a schema that is not valid, or uses keywords that are not supported."""
    from jsonschema import Draft202012Validator, SchemaError

    _check_keywords(schema, depth=0)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        keyword = next((name for name in reversed(error.absolute_path) if name in _KEYWORDS), "")
        message = _SHAPES.get(str(keyword), f"`{keyword}` is not what JSON Schema allows")
        raise ValueError(message) from None


def _check_keywords(schema: Any, *, depth: int) -> None:
    if not isinstance(schema, dict) or depth > _DEPTH:
        raise ValueError(f"a schema is an object, nested {_DEPTH} deep at most")
    if unknown := schema.keys() - set(_KEYWORDS):
        known = ", ".join(_KEYWORDS)
        raise ValueError(f"{len(unknown)} keywords are not known; known: {known}")
    if not isinstance(schema.get("additionalProperties", True), bool):
        raise ValueError("`additionalProperties` is true or false")  # noqa: TRY004  pydantic asks for it
    properties = schema.get("properties", {})
    inner = list(properties.values()) if isinstance(properties, dict) else []
    for each in (*inner, *([schema["items"]] if "items" in schema else [])):
        _check_keywords(each, depth=depth + 1)


class TargetSchema:
    """A schema that `check_schema` has accepted."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def mismatches(self, value: Any) -> Iterator[str]:
        """Yield what is wrong with a value, by the place of it and never by what it is."""
        for error in self._validator.iter_errors(value):
            place = "".join(f"/{part}" for part in error.absolute_path)
            yield from _described(error, place)

    @cached_property
    def _validator(self) -> Any:
        """Built at the first row: the library costs a process 0.1 s and 10 MB."""
        from jsonschema import Draft202012Validator
        from jsonschema.validators import extend

        checker = Draft202012Validator.TYPE_CHECKER.redefine(
            "integer", lambda _, value: type(value) is int
        )
        return extend(Draft202012Validator, type_checker=checker)(self._schema)


def _described(error: Any, place: str) -> Iterator[str]:
    allowed = error.validator_value
    match error.validator:
        case "required":
            name = next(name for name in allowed if error.message.startswith(repr(name)))
            yield f"{place}/{name} is missing"
        case "additionalProperties":
            yield f"{place or 'the target'} has members that are not in the schema"
        case "enum":
            yield f"{place or 'the target'} is none of the {len(allowed)} values allowed"
        case _:
            kinds = [allowed] if isinstance(allowed, str) else allowed
            yield f"{place or 'the target'} is no {' or '.join(kinds)}"


def spelled_labels(labels: Sequence[str]) -> dict[str, str]:
    """Return the labels of a set by their folded spelling.

    Raises ValueError, which names two labels that read the same.
    """
    spelled: dict[str, str] = {}
    for label in labels:
        key = _key(label)
        if not key:
            raise ValueError("a label is white space or invisible; remove it")
        if key in spelled:
            raise ValueError(
                f"the labels {spelled[key]!r} and {label!r} are one but for case, white space, "
                "composed letters or `.0`; rename or remove one"
            )
        spelled[key] = label
    return spelled


def label_of(given: str, spelled: Mapping[str, str]) -> str | RowProblem:
    """Return a label as the set spells it, by its folded spelling; an empty one stays empty."""
    if not given.strip():
        return ""
    if label := _found(given, spelled):
        return label
    names = [given] if _OBJECT.match(given) else _listed(given)
    if not names:
        return ""
    found = [_found(each, spelled) for each in names]
    if len(names) == 1 and found[0]:
        return found[0]
    if len(names) > 1 and (given.lstrip()[0] in _OPENING or all(found)):
        message = (
            f"the row has {len(names)} labels, and the task takes one: keep one, or teach them all "
            "as a text with a template"
        )
        return RowProblem("several_labels", message)
    return _unknown(given, spelled)


def label_converter(
    field: str, spelled: Mapping[str, str]
) -> Callable[[Mapping[str, str]], Converted]:
    """Return what converts rows of `text` and a label in `field`, as the set spells it.

    The text keeps its case and inner white space. Texts that differ in case and white space only
    are one group, and duplicates where they have the same label.
    """

    def convert(fields: Mapping[str, str]) -> Converted:
        text, label = fields["text"].strip(), label_of(fields[field], spelled)
        if not text:
            return DropReason.EMPTY_TEXT
        if isinstance(label, RowProblem):
            return label
        same = fold(text)
        return ConvertedExample(f"Text: {text}", label, (label,), same, (same, label), label=label)

    return convert


def has_number_labels(labels: Sequence[str]) -> bool:
    """Return whether a set of labels are numbers themselves."""
    return bool(labels) and all(map(_NUMBER.fullmatch, labels))


def _found(given: str, spelled: Mapping[str, str]) -> str | None:
    return spelled.get(_key(given))


def _key(label: str) -> str:
    """Return what labels are compared by; `1.0` is 1, as tables with gaps have it."""
    key = fold(_visible(label))
    return _ZEROS.sub("", key) if _NUMBER.fullmatch(key) else key


def _listed(given: str) -> list[str]:
    """Return the labels of a list as JSON, Python or a person writes it."""
    bare = given.strip()
    listed = bare[0] in _OPENING and bare[-1] in _CLOSING
    parts = _BETWEEN.split(bare[1:-1] if listed else bare)
    return [name for part in parts if (name := part.strip(" '\""))]


def _unknown(given: str, spelled: Mapping[str, str]) -> RowProblem:
    return RowProblem("unknown_label", _why_unknown(given.strip(), spelled))


def _why_unknown(given: str, spelled: Mapping[str, str]) -> str:
    if _OBJECT.match(given):
        return "the label is an object; write its label alone, as a text"
    if _MISSING.fullmatch(given):
        return (
            "the label is what tools write for a missing value, such as NaN: leave the row out, "
            "or add it to `labels`"
        )
    kind = "a number" if _NUMBER.fullmatch(given) else ""
    kind = "true or false" if fold(given) in _BOOLEANS else kind
    if kind and not any(each in _BOOLEANS or _NUMBER.fullmatch(each) for each in spelled):
        negative = "; -1 stands for no label: leave the row out" if given.startswith("-") else ""
        return (
            f"the label is {kind}, and `labels` are names; write names, or these as `labels`"
            f"{negative}"
        )
    alike = [label for label in spelled.values() if _bare(label) == _bare(given)]
    if len(alike) == 1:
        return (
            f"the label is {alike[0]} but for punctuation, separators, zeros or full-width "
            "letters; write it as `labels` have it"
        )
    few = len(spelled) <= _LABELS_SHOWN
    known = ", ".join(spelled.values()) if few else f"the {len(spelled)} there are"
    return f"the label is none of {known}; mend it or add it to `labels`"


def _bare(label: str) -> str:
    folded = unicodedata.normalize("NFKC", label).casefold()
    return "".join(filter(str.isalnum, folded)).lstrip("0")


def _visible(label: str) -> str:
    return _INVISIBLE.sub("", label)


def json_target(given: str, schema: TargetSchema | None) -> str | RowProblem:
    """Return a target as one line of JSON, members in their order, or what is wrong with it.

    An empty one stays empty. Codes: `target_not_json`, `duplicate_key`, `target_not_as_schema`.
    """
    if not given.strip():
        return ""
    parser = JsonParser()
    try:
        value = parser.parse(given)
        if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
            value = parser.parse(value)  # JSON in a JSON text
    except (ValueError, RecursionError) as error:
        message = f"the target is not JSON: {json_fault(error)}; mend or quote it"
        return RowProblem("target_not_json", message)
    try:
        line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        message = "the target holds a number that is not finite; write null or a text"
        return RowProblem("target_not_json", message)
    if parser.repeated:
        message = "an object of the target names a member twice; keep the one that is meant"
        return RowProblem("duplicate_key", message)
    wrong = "; ".join(islice(schema.mismatches(value), 3)) if schema else ""
    if wrong:
        return RowProblem("target_not_as_schema", f"{wrong}; mend the target or the schema")
    return line
