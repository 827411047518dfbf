"""The three ways to upload an object: in one body, as multipart, and resumable in chunks."""

import secrets
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulator.errors import StorageError
from emulator.parsing import parse_json
from emulator.state import Emulator, base_url_of, emulator_of
from emulator.storage.multipart import split_parts
from emulator.storage.objects import Draft, StoredObject
from emulator.storage.payloads import Payload
from emulator.storage.requests import (
    read_content_range,
    read_draft,
    read_hashes,
    read_preconditions,
)
from emulator.storage.resumable import ResumableUpload


async def start_upload(request: Request) -> Response:
    kind = request.query_params.get("uploadType", "")
    match kind:
        case "media":
            return await _upload_media(request)
        case "multipart":
            return await _upload_multipart(request)
        case "resumable":
            return await _start_resumable(request)
        case _:
            raise StorageError(400, f"Unknown uploadType {kind!r}.", reason="invalid")


async def _upload_media(request: Request) -> Response:
    emulator = emulator_of(request)
    draft = read_draft(
        {},
        bucket=request.path_params["bucket"],
        name=request.query_params.get("name"),
        content_type=request.headers.get("content-type", ""),
    )
    preconditions = read_preconditions(request.query_params)
    emulator.objects.check_upload(draft, preconditions)
    payload = emulator.objects.new_payload()
    async for chunk in request.stream():
        payload.write(chunk)
    draft = _with_hashes(draft, request)
    return _stored(request, emulator.objects.put(draft, payload, preconditions=preconditions))


async def _upload_multipart(request: Request) -> Response:
    emulator = emulator_of(request)
    parts = split_parts(await request.body(), content_type=request.headers.get("content-type", ""))
    draft = read_draft(
        parse_json(parts.description),
        bucket=request.path_params["bucket"],
        name=request.query_params.get("name"),
        content_type=parts.content_type,
    )
    preconditions = read_preconditions(request.query_params)
    emulator.objects.check_upload(draft, preconditions)
    payload = emulator.objects.new_payload()
    payload.write(parts.content)
    return _stored(request, emulator.objects.put(draft, payload, preconditions=preconditions))


async def _start_resumable(request: Request) -> Response:
    emulator = emulator_of(request)
    draft = read_draft(
        parse_json(await request.body()),
        bucket=request.path_params["bucket"],
        name=request.query_params.get("name"),
        content_type=request.headers.get("x-upload-content-type", ""),
    )
    preconditions = read_preconditions(request.query_params)
    emulator.objects.check_upload(draft, preconditions)
    upload_id = secrets.token_urlsafe(32)
    emulator.uploads[upload_id] = ResumableUpload(
        draft=draft, preconditions=preconditions, payload=emulator.objects.new_payload()
    )
    path = f"/upload/storage/v1/b/{draft.bucket}/o?uploadType=resumable&upload_id={upload_id}"
    headers = {"Location": f"{base_url_of(request)}{path}", "X-GUploader-UploadID": upload_id}
    return Response(status_code=200, headers=headers)


async def continue_upload(request: Request) -> Response:
    """Take the next chunk; answers 308 with the bytes held so far, or 200 with the object."""
    emulator = emulator_of(request)
    upload = _find_upload(emulator, request)
    if upload.stored:
        return _stored(request, upload.stored)
    whole = read_content_range(request.headers.get("content-range"))
    if whole.first is not None:
        await _append(request, upload.payload, first=whole.first)
    if not whole.is_complete(upload.payload.size_bytes):
        return _incomplete(upload.payload)
    draft = _with_hashes(upload.draft, request)
    upload.stored = emulator.objects.put(draft, upload.payload, preconditions=upload.preconditions)
    return _stored(request, upload.stored)


async def cancel_upload(request: Request) -> Response:
    emulator = emulator_of(request)
    upload = _find_upload(emulator, request)
    upload.payload.discard()
    del emulator.uploads[request.query_params["upload_id"]]
    return Response(status_code=499)


def _find_upload(emulator: Emulator, request: Request) -> ResumableUpload:
    upload = emulator.uploads.get(request.query_params.get("upload_id", ""))
    if upload is None:
        raise StorageError(404, "No such upload; start it again.", reason="notFound")
    return upload


async def _append(request: Request, payload: Payload, *, first: int) -> None:
    """Add what is new of a chunk: a client that lost an answer sends some bytes twice."""
    skipped_bytes = payload.size_bytes - first
    if skipped_bytes < 0:
        raise StorageError(
            503, "A chunk is missing; ask for the range held.", reason="backendError"
        )
    async for chunk in request.stream():
        payload.write(chunk[skipped_bytes:])
        skipped_bytes = max(0, skipped_bytes - len(chunk))


def _incomplete(payload: Payload) -> Response:
    held = {"Range": f"bytes=0-{payload.size_bytes - 1}"} if payload.size_bytes else {}
    return Response(status_code=308, headers=held)


def _with_hashes(draft: Draft, request: Request) -> Draft:
    hashes = read_hashes(request.headers.get("x-goog-hash", ""))
    return replace(
        draft, crc32c=hashes.get("crc32c", draft.crc32c), md5=hashes.get("md5", draft.md5)
    )


def _stored(request: Request, stored: StoredObject) -> Response:
    return JSONResponse(stored.resource(base_url_of(request)))
