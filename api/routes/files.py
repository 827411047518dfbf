"""Files: upload, list, look, read, delete."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api import examples
from api.auth import Reader, Writer, WriterRecheck
from api.dependencies import AfterFile, FileId, Limit, Services
from api.downloads import Stored, stored_attachment
from api.file_examples import FILE_PREVIEW
from api.key_slots import KeySlots
from api.openapi import answers, example_of, files, page_example
from api.pagination import Page, page_of
from api.uploads import MEDIA_TYPES, chunks_of, declared_format, digest_of, format_of, spooled
from service.datasets.preview import previews
from service.datasets.preview.schemas import FilePreview
from service.erasure.operations import delete_output
from service.erasure.schemas import Deletion
from service.files import operations
from service.files.schemas import File, present_file

router = APIRouter(prefix="/v1/files", tags=["files"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_EXAMPLES = {
    "text/csv": "text,target\r\ngood,positive\r\n",
    "text/tab-separated-values": "text\ttarget\r\ngood\tpositive\r\n",
    "application/vnd.apache.parquet": "the bytes of a .parquet",
    "application/json": '[{"text": "good", "target": "positive"}]\n',
    "application/gzip": "the bytes of a .csv.gz, .jsonl.gz or .json.gz",
    "application/zstd": "the bytes of a .csv.zst, .jsonl.zst or .json.zst",
    "application/octet-stream": "the bytes of any of these",
}
_LINES = '{"text": "good", "target": "positive"}\n'


async def _upload_slot(request: Request, principal: Writer) -> AsyncIterator[None]:
    slots: KeySlots = request.app.state.upload_slots
    async with slots.held(principal.key_id):
        yield


UploadSlot = Annotated[None, Depends(_upload_slot)]


@router.post(
    "",
    operation_id="createFile",
    summary="Upload a data file",
    description=(
        "The body is the file itself, never a form; gzip and Zstandard are expanded. Where the "
        "media type does not say how rows are written, the name does, or else the first bytes. "
        "CSV and TSV may be in Latin-1 or UTF-16: which encoding it is, is found when a dataset "
        "is prepared, or said in its `format`."
    ),
    status_code=201,
    responses=answers(
        examples.FILE, 408, 413, 415, 429, status=201, description="Kept", sends=("Location",)
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                media_type: _BINARY | {"example": _EXAMPLES.get(media_type, _LINES)}
                for media_type in MEDIA_TYPES
            },
        }
    },
)
async def create_file(
    request: Request,
    response: Response,
    principal: Writer,
    check_key: WriterRecheck,
    _slot: UploadSlot,
    container: Services,
    name: Annotated[str, Query(description="what to call it", examples=["reviews.csv"])] = "upload",
    content_type: Annotated[str, Header(include_in_schema=False)] = "",
    content_digest: Annotated[
        str | None, Header(description="RFC 9530: `sha-256=:…:` of the bytes as sent")
    ] = None,
) -> File:
    declared, digest = declared_format(content_type, name), digest_of(content_digest)
    async with spooled(request.stream()) as body:
        await run_in_threadpool(check_key)  # the upload may have taken hours
        if declared is None:
            declared = await run_in_threadpool(format_of, body)
        row = await run_in_threadpool(
            operations.create_file,
            chunks_of(body),
            name=name,
            format=declared,
            digest=digest,
            project_id=principal.project_id,
            sessions=container.sessions,
            store=container.store,
            limits=container.file_limits,
        )
    response.headers["Location"] = f"/v1/files/{row.id}"
    return present_file(row)


@router.get(
    "",
    operation_id="listFiles",
    summary="List files, newest first",
    responses=answers(page_example(examples.FILE)),
)
def list_files(
    request: Request,
    principal: Reader,
    container: Services,
    after: AfterFile = None,
    limit: Limit = 20,
) -> Page[File]:
    """Files that were uploaded to the project."""
    rows = operations.list_files(
        principal.project_id, after=after, limit=limit + 1, sessions=container.sessions
    )
    found = [present_file(row) for row in rows]
    return page_of(found, limit=limit, cursor=lambda file: file.id, request=request)


@router.get(
    "/{file_id}",
    operation_id="getFile",
    summary="Look at a file",
    responses=answers(examples.FILE, 404),
)
def get_file(file_id: FileId, principal: Reader, container: Services) -> File:
    """Size and digest are of the bytes as kept: expanded where they came compressed."""
    row = operations.get_file(file_id, project_id=principal.project_id, sessions=container.sessions)
    return present_file(row)


@router.delete(
    "/{file_id}",
    operation_id="deleteFile",
    summary="Delete a file that no open job is still to read",
    responses=answers(example_of(Deletion), 404, 409),
)
def delete_file(file_id: FileId, principal: Writer, container: Services) -> Deletion:
    """Datasets made from it stay."""
    return delete_output(file_id, project_id=principal.project_id, services=container.erasure)


@router.get(
    "/{file_id}/preview",
    operation_id="previewFile",
    summary="See what a file holds: columns, masked rows, faults, presets, estimates",
    responses=answers(FILE_PREVIEW, 404, 422, 503),
)
def preview_file(file_id: FileId, principal: Reader, container: Services) -> FilePreview:
    """Return within seconds what the first rows show, before anything is prepared."""
    return previews.preview_file(
        file_id,
        project_id=principal.project_id,
        base_model=container.settings.base_model,
        catalogue=container.catalogue,
        sessions=container.sessions,
        store=container.store,
    )


@router.get(
    "/{file_id}/content",
    operation_id="getFileContent",
    summary="Read a file's bytes",
    response_class=Response,
    responses=files(*operations.CONTENT_TYPES.values(), statuses=(404, 416)),
)
def get_file_content(
    file_id: FileId,
    principal: Reader,
    container: Services,
    byte_range: Annotated[
        str | None, Header(alias="Range", description="one range of bytes, such as `bytes=0-99`")
    ] = None,
) -> Response:
    """The bytes as kept, whole or one range of them."""
    file = get_file(file_id, principal, container)

    def read(start: int, end: int) -> Iterator[bytes]:
        return operations.read_file(
            file_id,
            project_id=principal.project_id,
            sessions=container.sessions,
            store=container.store,
            start=start,
            end=end,
        )

    return stored_attachment(
        Stored(file.size_bytes, read),
        name=f"{file.id}.{file.format}",
        content_type=operations.CONTENT_TYPES[file.format],
        byte_range=byte_range,
    )
