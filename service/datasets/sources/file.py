"""Rows of an uploaded file."""

from service.database import Session
from service.datasets.formats.options import FormatName
from service.datasets.sources.schemas import FileSource
from service.datasets.sources.source import Files, SourceAccess, SourceFile, missing_input
from service.errors import NotFound
from service.files import operations as files

_POINTER = "/spec/source/file_id"


class UploadedFile:
    def check(self, source: FileSource, *, project_id: str, session: Session) -> None:
        try:
            files.require_file(session, source.file_id, project_id=project_id)
        except NotFound as error:
            raise missing_input(error.message, pointer=_POINTER) from error

    def open(self, source: FileSource, *, access: SourceAccess) -> Files:
        try:
            file = files.get_file(
                source.file_id, project_id=access.project_id, sessions=access.sessions
            )
            chunks = files.read_file(
                source.file_id,
                project_id=access.project_id,
                sessions=access.sessions,
                store=access.store,
            )
        except NotFound as error:
            raise missing_input(error.message, pointer=_POINTER) from error
        return Files(iter([SourceFile(chunks, FormatName(file.format))]))
