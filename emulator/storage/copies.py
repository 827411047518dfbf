"""Objects made of stored ones: `copyTo`, `rewriteTo` with its progress report, and `compose`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulator.errors import StorageError
from emulator.messages import parse_json
from emulator.storage.objects import Draft, Preconditions, StoredObject
from emulator.storage.requests import (
    PROPERTIES,
    base_url_of,
    read_metadata,
    read_preconditions,
    read_properties,
    whole_number,
)
from emulator.storage.store import ObjectStore, Payload

_BLOCK_BYTES = 1 << 20
_MOST_SOURCES = 32


class Copies:
    """The handlers that make objects out of stored ones."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def copy_object(self, request: Request) -> Response:
        stored = await self._copy(request)
        return JSONResponse(stored.resource(base_url_of(request)))

    async def rewrite_object(self, request: Request) -> Response:
        """Copy in one go: Google asks for more calls only for large objects between locations."""
        stored = await self._copy(request)
        report = {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(stored.size_bytes),
            "objectSize": str(stored.size_bytes),
            "done": True,
            "resource": stored.resource(base_url_of(request)),
        }
        return JSONResponse(report)

    async def compose_object(self, request: Request) -> Response:
        """Make the sources' bytes, in order, the object of the path; it may be one of them."""
        body = parse_json(await request.body())
        path = request.path_params
        self._objects.get_bucket(path["bucket"])
        sources = _find_sources(self._objects, body, bucket=path["bucket"])
        draft = _describe_composed(body, sources, bucket=path["bucket"], name=path["name"])
        preconditions = read_preconditions(request.query_params)
        self._objects.check_upload(draft, preconditions)
        paths = [self._objects.payload_path(source) for source in sources]
        payload = await gather_bytes(paths, into=self._objects.new_payload())
        stored = self._objects.put(draft, payload, preconditions=preconditions)
        if body.get("deleteSourceObjects"):
            _delete_sources(self._objects, sources)
        return JSONResponse(stored.resource(base_url_of(request)))

    async def _copy(self, request: Request) -> StoredObject:
        body = parse_json(await request.body())
        source = self._find_source(request)
        draft = describe_copy(
            source,
            body,
            bucket=request.path_params["to_bucket"],
            name=request.path_params["to_name"],
        )
        preconditions = read_preconditions(request.query_params)
        self._objects.check_upload(draft, preconditions)
        payload = await gather_bytes(
            [self._objects.payload_path(source)], into=self._objects.new_payload()
        )
        return self._objects.put(draft, payload, preconditions=preconditions)

    def _find_source(self, request: Request) -> StoredObject:
        query, path = request.query_params, request.path_params
        self._objects.get_bucket(path["bucket"])
        generation = whole_number(query, "sourceGeneration")
        source = self._objects.get(path["bucket"], path["name"], generation=generation)
        read_source_preconditions(query).check(source)
        return source


def read_source_preconditions(query: Mapping[str, str]) -> Preconditions:
    """Read `ifSourceGenerationMatch` and its kin."""
    return read_preconditions(
        {name.replace("ifSource", "if", 1): value for name, value in query.items() if "Sou" in name}
    )


def describe_copy(
    source: StoredObject, document: Mapping[str, Any], *, bucket: str, name: str
) -> Draft:
    """Return the copy: what describes it is the source's unless the request says anything of it."""
    is_described = any(document.get(key) is not None for key in (*PROPERTIES, "metadata"))
    return Draft(
        bucket=bucket,
        name=name,
        properties=read_properties(document) if is_described else dict(source.properties),
        metadata=read_metadata(document) if is_described else dict(source.metadata),
        component_count=source.component_count,
    )


async def gather_bytes(paths: list[Path], *, into: Payload) -> Payload:
    """Write the bytes of the files one after another into a payload, beside the event loop.

    Raises StorageError 404 when a file is overwritten or deleted before it is read.
    """
    try:
        await run_in_threadpool(_gather, paths, into)
    except FileNotFoundError as error:
        into.discard()
        raise StorageError(404, "A source object is gone.", reason="notFound") from error
    return into


def _gather(paths: list[Path], into: Payload) -> None:
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                into.write(block)


def _find_sources(
    objects: ObjectStore, body: Mapping[str, Any], *, bucket: str
) -> list[StoredObject]:
    named = body.get("sourceObjects")
    if not isinstance(named, list) or not 0 < len(named) <= _MOST_SOURCES:
        message = f"The number of source components provided must be 1 to {_MOST_SOURCES}."
        raise StorageError(400, message, reason="invalid")
    return [_find_component(objects, source, bucket=bucket) for source in named]


def _find_component(objects: ObjectStore, source: Any, *, bucket: str) -> StoredObject:
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


def _describe_composed(
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
