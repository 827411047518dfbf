"""Looks up in the contract what a place of a request may hold."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from service.ids import Prefix, example_id, id_pattern

_IDS = {id_pattern(prefix): f"an id such as `{example_id(prefix)}`" for prefix in Prefix}
_KEY = "[key]"  # pydantic's word for a name in a mapping

Schema = Mapping[str, Any]


class ContractLookup:
    """Answers questions about places: those that pydantic names, `body` or a parameter first.

    A place may go through unions, so that several schemas stand for it.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def schemas_at(self, path: str, method: str, place: Sequence[str | int]) -> list[Schema]:
        """Return every schema that a place of an operation's request may have."""
        operation = self._document["paths"].get(path, {}).get(method.lower(), {})
        where, *parts = place
        found = list(self._alternatives(_parts_of(operation, str(where), parts)))
        for part in parts if where == "body" else parts[1:]:
            found = list(self._alternatives(self._below(found, part))) or found
        return found

    def _below(self, schemas: Iterable[Schema], part: str | int) -> Iterator[Schema]:
        for schema in schemas:
            tagged = schema.get("discriminator", {}).get("mapping", {}).get(part)
            if tagged:
                yield {"$ref": tagged}
            elif part == _KEY:
                yield from _present(schema.get("propertyNames"))
            elif isinstance(part, int):
                yield from _present(schema.get("items"))
            else:
                yield from _present(
                    schema.get("properties", {}).get(part, schema.get("additionalProperties"))
                )

    def _alternatives(self, schemas: Iterable[Schema]) -> Iterator[Schema]:
        """Yield each schema with the members of unions, references followed."""
        for schema in schemas:
            yield schema
            if "$ref" in schema:
                name = str(schema["$ref"]).rpartition("/")[2]
                yield from self._alternatives([self._document["components"]["schemas"][name]])
            if "discriminator" not in schema:
                for union in ("anyOf", "oneOf", "allOf"):
                    yield from self._alternatives(schema.get(union, ()))


def _parts_of(operation: Schema, where: str, parts: Sequence[str | int]) -> list[Schema]:
    if where == "body":
        content = operation.get("requestBody", {}).get("content", {})
        return [each["schema"] for each in content.values() if "schema" in each]
    return [
        {"description": each.get("description", ""), **each["schema"]}
        for each in operation.get("parameters", ())
        if each["in"] == where and parts and each["name"].lower() == str(parts[0]).lower()
    ]


def _present(schema: Any) -> Iterator[Schema]:
    if isinstance(schema, Mapping):
        yield schema


def names_in(schemas: Iterable[Schema]) -> list[str]:
    """Return the names of members that objects of these schemas may have, sorted."""
    return sorted({name for schema in schemas for name in schema.get("properties", ())})


def tags_in(schemas: Iterable[Schema]) -> list[str]:
    """Return the values that choose between the members of a union."""
    return [tag for schema in schemas for tag in schema.get("discriminator", {}).get("mapping", ())]


def form_of(schemas: Sequence[Schema]) -> str:
    """Return what is written about the form of a text: what it is, and an example."""
    for schema in schemas:
        if schema.get("pattern") in _IDS:
            return _IDS[schema["pattern"]]
    description = next((str(each["description"]) for each in schemas if _says(each)), "")
    examples = [str(value) for each in schemas for value in each.get("examples", ())[:1]]
    such_as = [f"such as `{examples[0]}`"] if examples else []
    return ", ".join([part for part in [description] if part] + such_as)


def _says(schema: Schema) -> bool:
    return bool(schema.get("description")) and schema.get("type") != "object"
