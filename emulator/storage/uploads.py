"""The three ways to upload an object: in one body, as multipart, and resumable in chunks."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emulator.errors import StorageError
from emulator.messages import parse_json
from emulator.storage.objects import Draft, Preconditions, StoredObject
from emulator.storage.requests import (
    base_url_of,
    read_content_range,
    read_draft,
    read_hashes,
    read_preconditions,
    split_parts,
)
from emulator.storage.store import ObjectStore, Payload


@dataclass(slots=True)
class ResumableUpload:
    """`stored` is set once the upload is complete."""

    draft: Draft
    preconditions: Preconditions
    payload: Payload
    stored: StoredObject | None = None


class Uploads:
    """The handlers of uploads. Resumable ones under way are in memory and end with the server."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._resumable: dict[str, ResumableUpload] = {}

    def clear(self) -> None:
        self._resumable.clear()

    async def start_upload(self, request: Request) -> Response:
        kind = request.query_params.get("uploadType", "")
        match kind:
            case "media":
                return await self._upload_media(request)
            case "multipart":
                return await self._upload_multipart(request)
            case "resumable":
                return await self._start_resumable(request)
            case _:
                raise StorageError(400, f"Unknown uploadType {kind!r}.", reason="invalid")

    async def _upload_media(self, request: Request) -> Response:
        draft = _draft_of(
            request,
            {},
            content_type=request.headers.get("content-type", ""),
        )
        preconditions = read_preconditions(request.query_params)
        self._objects.check_upload(draft, preconditions)
        payload = self._objects.new_payload()
        async for chunk in request.stream():
            payload.write(chunk)
        draft = _with_hashes(draft, request)
        return _stored(request, self._objects.put(draft, payload, preconditions=preconditions))

    async def _upload_multipart(self, request: Request) -> Response:
        parts = split_parts(
            await request.body(), content_type=request.headers.get("content-type", "")
        )
        draft = _draft_of(
            request,
            parse_json(parts.description),
            content_type=parts.content_type,
        )
        preconditions = read_preconditions(request.query_params)
        self._objects.check_upload(draft, preconditions)
        payload = self._objects.new_payload()
        payload.write(parts.content)
        return _stored(request, self._objects.put(draft, payload, preconditions=preconditions))

    async def _start_resumable(self, request: Request) -> Response:
        draft = _draft_of(
            request,
            parse_json(await request.body()),
            content_type=request.headers.get("x-upload-content-type", ""),
        )
        preconditions = read_preconditions(request.query_params)
        self._objects.check_upload(draft, preconditions)
        upload_id = secrets.token_urlsafe(32)
        self._resumable[upload_id] = ResumableUpload(
            draft=draft, preconditions=preconditions, payload=self._objects.new_payload()
        )
        path = f"/upload/storage/v1/b/{draft.bucket}/o?uploadType=resumable&upload_id={upload_id}"
        headers = {"Location": f"{base_url_of(request)}{path}", "X-GUploader-UploadID": upload_id}
        return Response(status_code=200, headers=headers)

    async def continue_upload(self, request: Request) -> Response:
        """Take the next chunk; answers 308 with the bytes held so far, or 200 with the object."""
        upload = self._find_upload(request)
        request.scope["state"]["object_name"] = upload.draft.name
        if upload.stored:
            return _stored(request, upload.stored)
        whole = read_content_range(request.headers.get("content-range"))
        if whole.first is not None:
            await _append(request, upload.payload, first=whole.first)
        if not whole.is_complete(upload.payload.size_bytes):
            return _incomplete(upload.payload)
        draft = _with_hashes(upload.draft, request)
        upload.stored = self._objects.put(draft, upload.payload, preconditions=upload.preconditions)
        return _stored(request, upload.stored)

    async def cancel_upload(self, request: Request) -> Response:
        upload = self._find_upload(request)
        upload.payload.discard()
        del self._resumable[request.query_params["upload_id"]]
        return Response(status_code=499)

    def _find_upload(self, request: Request) -> ResumableUpload:
        upload = self._resumable.get(request.query_params.get("upload_id", ""))
        if upload is None:
            raise StorageError(404, "No such upload; start it again.", reason="notFound")
        return upload


def _draft_of(request: Request, description: Mapping[str, Any], *, content_type: str) -> Draft:
    """Return what is uploaded; the record of calls gets its name."""
    draft = read_draft(
        description,
        bucket=request.path_params["bucket"],
        name=request.query_params.get("name"),
        content_type=content_type,
    )
    request.scope["state"]["object_name"] = draft.name
    return draft


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
