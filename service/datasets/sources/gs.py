"""Rows of an object in Cloud Storage."""

from service.database import Session
from service.datasets.formats.options import format_of_name
from service.datasets.sources.schemas import GsSource
from service.datasets.sources.source import Files, SourceAccess, SourceFile, missing_input
from service.errors import NotFound
from service.projects.access import require_bucket
from service.storage.addresses import check_gs_uri
from service.storage.gcs import read_gs_uri

_POINTER = "/spec/source/uri"


class CloudObject:
    def check(self, source: GsSource, *, project_id: str, session: Session) -> None:
        """Whether it exists is asked later, outside the transaction."""
        bucket, name = check_gs_uri(source.uri, pointer=_POINTER)
        require_bucket(session, bucket, name, project_id=project_id, pointer=_POINTER)
        _ = source.format.name or format_of_name(source.uri, pointer=_POINTER)

    def open(self, source: GsSource, *, access: SourceAccess) -> Files:
        with access.sessions.reading() as session:  # it may be allowed no more
            self.check(source, project_id=access.project_id, session=session)
        name = source.format.name or format_of_name(source.uri, pointer=_POINTER)
        try:
            chunks = read_gs_uri(
                source.uri,
                project=access.google_project,
                account=access.google_account,
                own=access.store,
            )
        except NotFound as error:
            raise missing_input("there is no such object", pointer=_POINTER) from error
        return Files(iter([SourceFile(chunks, name)]))
