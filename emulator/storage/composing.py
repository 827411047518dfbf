"""Composing one object out of up to 32 of the same bucket."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulator.errors import StorageError
from emulator.parsing import parse_json
from emulator.state import base_url_of, emulator_of
from emulator.storage.copying import gather_bytes
from emulator.storage.objects import Draft, StoredObject
from emulator.storage.requests import read_metadata, read_preconditions, read_properties
from emulator.storage.store import ObjectStore

_MOST_SOURCES = 32


async def compose_object(request: Request) -> Response:
    """Make the sources' bytes, in order, the object of the path; it may be one of them."""
    body = parse_json(await request.body())
    path = request.path_params
    objects = emulator_of(request).objects
    objects.get_bucket(path["bucket"])
    sources = _find_sources(objects, body, bucket=path["bucket"])
    draft = _describe(body, sources, bucket=path["bucket"], name=path["name"])
    preconditions = read_preconditions(request.query_params)
    objects.check_upload(draft, preconditions)
    paths = [objects.payload_path(source) for source in sources]
    payload = await gather_bytes(paths, into=objects.new_payload())
    stored = objects.put(draft, payload, preconditions=preconditions)
    if body.get("deleteSourceObjects"):
        _delete_sources(objects, sources)
    return JSONResponse(stored.resource(base_url_of(request)))


def _find_sources(
    objects: ObjectStore, body: Mapping[str, Any], *, bucket: str
) -> list[StoredObject]:
    named = body.get("sourceObjects")
    if not isinstance(named, list) or not 0 < len(named) <= _MOST_SOURCES:
        message = f"The number of source components provided must be 1 to {_MOST_SOURCES}."
        raise StorageError(400, message, reason="invalid")
    return [_find_source(objects, source, bucket=bucket) for source in named]


def _find_source(objects: ObjectStore, source: Any, *, bucket: str) -> StoredObject:
    try:
        name = str(source["name"])
        generation = source.get("generation")
        conditions = source.get("objectPreconditions") or {}
        wanted = None if generation is None else int(generation)
        asked = {str(key): str(value) for key, value in conditions.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StorageError(400, "A source object is malformed.", reason="invalid") from error
    found = objects.get(bucket, name, generation=wanted)
    read_preconditions(asked).check(found)
    return found


def _describe(
    body: Mapping[str, Any], sources: Sequence[StoredObject], *, bucket: str, name: str
) -> Draft:
    destination = body.get("destination") or {}
    if not isinstance(destination, dict):
        raise StorageError(400, "destination must be an object.", reason="invalid")
    return Draft(
        bucket=bucket,
        name=name,
        properties=read_properties(destination),
        metadata=read_metadata(destination),
        component_count=sum(source.component_count or 1 for source in sources),
    )


def _delete_sources(objects: ObjectStore, sources: Sequence[StoredObject]) -> None:
    """Delete the sources, but not one that the composed object has replaced."""
    for source in sources:
        if objects.find(source.bucket, source.name) == source:
            objects.delete(source)
