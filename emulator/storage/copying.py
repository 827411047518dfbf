"""Copying objects on the server: `copyTo` in one answer, `rewriteTo` with its progress report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulator.errors import StorageError
from emulator.parsing import parse_json
from emulator.state import base_url_of, emulator_of
from emulator.storage.objects import Draft, Preconditions, StoredObject
from emulator.storage.payloads import Payload
from emulator.storage.requests import (
    PROPERTIES,
    read_metadata,
    read_preconditions,
    read_properties,
    whole_number,
)

_BLOCK_BYTES = 1 << 20


async def copy_object(request: Request) -> Response:
    stored = await _copy(request)
    return JSONResponse(stored.resource(base_url_of(request)))


async def rewrite_object(request: Request) -> Response:
    """Copy in one go: Google asks for more calls only for large objects between locations."""
    stored = await _copy(request)
    report = {
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": str(stored.size_bytes),
        "objectSize": str(stored.size_bytes),
        "done": True,
        "resource": stored.resource(base_url_of(request)),
    }
    return JSONResponse(report)


async def _copy(request: Request) -> StoredObject:
    body = parse_json(await request.body())
    objects = emulator_of(request).objects
    source = _find_source(request)
    draft = describe_copy(
        source,
        body,
        bucket=request.path_params["to_bucket"],
        name=request.path_params["to_name"],
    )
    preconditions = read_preconditions(request.query_params)
    objects.check_upload(draft, preconditions)
    payload = await gather_bytes([objects.payload_path(source)], into=objects.new_payload())
    return objects.put(draft, payload, preconditions=preconditions)


def _find_source(request: Request) -> StoredObject:
    query, path = request.query_params, request.path_params
    objects = emulator_of(request).objects
    objects.get_bucket(path["bucket"])
    generation = whole_number(query, "sourceGeneration")
    source = objects.get(path["bucket"], path["name"], generation=generation)
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
