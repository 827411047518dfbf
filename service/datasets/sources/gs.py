"""Rows of an object in Cloud Storage."""

from service.database import Session
from service.datasets.formats.options import format_of_name
from service.datasets.sources.schemas import GsSource
from service.datasets.sources.source import Files, SourceAccess, SourceFile, missing_input
from service.errors import NotFound
from service.storage.gcs import check_gs_uri, read_gs_uri

_POINTER = "/spec/source/uri"


class CloudObject:
    def check(self, source: GsSource, *, project_id: str, session: Session) -> None:  # noqa: ARG002  whether it exists is asked outside the transaction
        check_gs_uri(source.uri, pointer=_POINTER)
        _ = source.format.name or format_of_name(source.uri, pointer=_POINTER)

    def open(self, source: GsSource, *, access: SourceAccess) -> Files:
        name = source.format.name or format_of_name(source.uri, pointer=_POINTER)
        try:
            chunks = read_gs_uri(source.uri, project=access.google_project, own=access.store)
        except NotFound as error:
            raise missing_input("there is no such object", pointer=_POINTER) from error
        return Files(iter([SourceFile(chunks, name)]))
