"""The Cloud Storage JSON API: buckets, objects and media."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from emulator.errors import StorageError
from emulator.messages import parse_json
from emulator.pages import NamePage, page_of_names
from emulator.resources import project_number
from emulator.storage.copies import Copies
from emulator.storage.objects import StoredObject
from emulator.storage.requests import (
    base_url_of,
    read_metadata,
    read_preconditions,
    read_properties,
    read_range,
    whole_number,
)
from emulator.storage.store import ObjectStore
from emulator.storage.uploads import Uploads

_PAGE_SIZE = 1000
_BLOCK_BYTES = 1 << 20


class StorageRoutes:
    """The handlers of buckets and objects, and the routes of all of Cloud Storage."""

    def __init__(
        self,
        objects: ObjectStore,
        uploads: Uploads,
        *,
        held: Callable[[Sequence[str]], list[str]],
    ) -> None:
        """`held` returns which of some permissions the caller has."""
        self._objects = objects
        self._uploads = uploads
        self._held = held

    def routes(self) -> list[Route]:
        bucket, upload = "/storage/v1/b/{bucket}", "/upload/storage/v1/b/{bucket}/o"
        name = "o/{name:path}"
        target = "b/{to_bucket}/o/{to_name:path}"
        copies = Copies(self._objects)
        return [
            Route("/storage/v1/b", self.create_bucket, methods=["POST"]),
            Route("/storage/v1/b", self.list_buckets, methods=["GET"]),
            Route(bucket, self.get_bucket, methods=["GET"]),
            Route(bucket, self.delete_bucket, methods=["DELETE"]),
            Route(f"{bucket}/iam/testPermissions", self.test_permissions, methods=["GET"]),
            Route(f"{bucket}/o", self.list_objects, methods=["GET"]),
            Route(f"{bucket}/{name}", self.get_object, methods=["GET"]),
            Route(f"{bucket}/{name}", self.patch_object, methods=["PATCH"]),
            Route(f"{bucket}/{name}", self.delete_object, methods=["DELETE"]),
            Route(f"{bucket}/{name}/rewriteTo/{target}", copies.rewrite_object, methods=["POST"]),
            Route(f"{bucket}/{name}/copyTo/{target}", copies.copy_object, methods=["POST"]),
            Route(f"{bucket}/{name}/compose", copies.compose_object, methods=["POST"]),
            Route(f"/download{bucket}/{name}", self.download_object, methods=["GET"]),
            Route(upload, self._uploads.start_upload, methods=["POST"]),
            Route(upload, self._uploads.continue_upload, methods=["PUT"]),
            Route(upload, self._uploads.cancel_upload, methods=["DELETE"]),
        ]

    async def create_bucket(self, request: Request) -> Response:
        body = parse_json(await request.body())
        bucket = self._objects.create_bucket(
            str(body.get("name", "")),
            project=project_number(request.query_params.get("project", "")),
            location=str(body.get("location") or "US"),
        )
        return JSONResponse(bucket.resource(base_url_of(request)))

    async def list_buckets(self, request: Request) -> Response:
        project = project_number(request.query_params.get("project", ""))
        buckets = self._objects.list_buckets(project)
        prefix = request.query_params.get("prefix", "")
        names = sorted(name for name in buckets if name.startswith(prefix))
        page = _page(request, lambda after: (name for name in names if name > after))
        base_url = base_url_of(request)
        items = [buckets[name].resource(base_url) for name in page.names]
        return _listed("storage#buckets", {"items": items}, token=page.next_token)

    async def get_bucket(self, request: Request) -> Response:
        bucket = self._objects.get_bucket(request.path_params["bucket"])
        return JSONResponse(bucket.resource(base_url_of(request)))

    async def delete_bucket(self, request: Request) -> Response:
        self._objects.delete_bucket(request.path_params["bucket"])
        return Response(status_code=204)

    async def test_permissions(self, request: Request) -> Response:
        self._objects.get_bucket(request.path_params["bucket"])
        held = self._held(request.query_params.getlist("permissions"))
        body = {"kind": "storage#testIamPermissionsResponse"}
        return JSONResponse(body | ({"permissions": held} if held else {}))

    async def list_objects(self, request: Request) -> Response:
        bucket = request.path_params["bucket"]
        prefix = request.query_params.get("prefix", "")
        page = _page(request, lambda after: self._objects.names(bucket, prefix=prefix, after=after))
        base_url = base_url_of(request)
        items = [self._objects.get(bucket, name).resource(base_url) for name in page.names]
        found: dict[str, Sequence[object]] = {"items": items, "prefixes": page.prefixes}
        return _listed("storage#objects", found, token=page.next_token)

    async def get_object(self, request: Request) -> Response:
        stored = self._find_object(request)
        if request.query_params.get("alt") == "media":
            return self._media(request, stored)
        return JSONResponse(stored.resource(base_url_of(request)))

    async def download_object(self, request: Request) -> Response:
        return self._media(request, self._find_object(request))

    async def patch_object(self, request: Request) -> Response:
        """Change what is named and leave the rest; null deletes a property or a metadata key."""
        stored = self._find_object(request)
        body = parse_json(await request.body())
        kept = {name: text for name, text in stored.properties.items() if name not in body}
        given = read_metadata(body)
        changes = body.get("metadata", {}) or {}
        metadata = {} if body.get("metadata", {}) is None else stored.metadata
        metadata = {key: text for key, text in metadata.items() if key not in changes}
        changed = self._objects.change(
            stored,
            properties=kept | read_properties(body),
            metadata=metadata | given,
        )
        return JSONResponse(changed.resource(base_url_of(request)))

    async def delete_object(self, request: Request) -> Response:
        self._objects.delete(self._find_object(request))
        return Response(status_code=204)

    def _find_object(self, request: Request) -> StoredObject:
        """Return the object a path names, its preconditions checked."""
        query = request.query_params
        bucket, name = request.path_params["bucket"], request.path_params["name"]
        self._objects.get_bucket(bucket)
        stored = self._objects.get(bucket, name, generation=whole_number(query, "generation"))
        read_preconditions(query).check(stored)
        return stored

    def _media(self, request: Request, stored: StoredObject) -> Response:
        """Stream the bytes; an overwrite or delete does not disturb a download under way."""
        wanted = read_range(request.headers.get("range", ""), size_bytes=stored.size_bytes)
        first, last = wanted or (0, stored.size_bytes - 1)
        headers = _media_headers(stored) | {"Content-Length": str(last - first + 1)}
        if wanted:
            headers["Content-Range"] = f"bytes {first}-{last}/{stored.size_bytes}"
        path = self._objects.payload_path(stored)
        return StreamingResponse(
            _blocks(path, first=first, length=last - first + 1),
            status_code=206 if wanted else 200,
            headers=headers,
        )


def _page(request: Request, names: Callable[[str], Iterable[str]]) -> NamePage:
    query = request.query_params
    try:
        return page_of_names(
            names,
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            token=query.get("pageToken"),
            limit=min(max(whole_number(query, "maxResults") or _PAGE_SIZE, 1), _PAGE_SIZE),
        )
    except ValueError as error:
        raise StorageError(400, "Invalid argument: pageToken.", reason="invalid") from error


def _listed(kind: str, found: Mapping[str, Sequence[object]], *, token: str | None) -> Response:
    body: dict[str, object] = {"kind": kind} | {name: rows for name, rows in found.items() if rows}
    return JSONResponse(body | ({"nextPageToken": token} if token else {}))


def _media_headers(stored: StoredObject) -> dict[str, str]:
    optional = {
        "Content-Type": stored.properties.get("contentType"),
        "Content-Encoding": stored.properties.get("contentEncoding"),
        "Content-Disposition": stored.properties.get("contentDisposition"),
        "Content-Language": stored.properties.get("contentLanguage"),
        "Cache-Control": stored.properties.get("cacheControl"),
    }
    hashes = f"crc32c={stored.crc32c}" + (f",md5={stored.md5}" if stored.md5 else "")
    return {name: value for name, value in optional.items() if value} | {
        "Accept-Ranges": "bytes",
        "ETag": stored.etag,
        "X-Goog-Generation": str(stored.generation),
        "X-Goog-Metageneration": str(stored.metageneration),
        "X-Goog-Hash": hashes,
        "X-Goog-Stored-Content-Length": str(stored.size_bytes),
        "X-Goog-Storage-Class": "STANDARD",
    }


def _blocks(path: Path, *, first: int, length: int) -> Iterator[bytes]:
    stream = path.open("rb")

    def read() -> Iterator[bytes]:
        with stream:
            stream.seek(first)
            left_bytes = length
            while left_bytes > 0:
                block = stream.read(min(_BLOCK_BYTES, left_bytes))
                left_bytes -= len(block)
                yield block

    return read()
