"""Rows of an object in Cloud Storage."""

import re
from collections.abc import Iterator

from service.database import Session
from service.datasets.formats.registry import READERS
from service.datasets.formats.rows import SourceRow
from service.datasets.sources.parsing import missing_input, rows_of
from service.datasets.sources.schemas import GsSource
from service.datasets.sources.source import SourceAccess
from service.errors import Fault, Invalid, NotFound
from service.storage.operations import check_gs_uri, read_gs_uri

_POINTER = "/spec/source/uri"
_SUFFIX = re.compile(r"\.([a-z]+)(?:\.gz)?$")


class CloudObject:
    def check(self, source: GsSource, *, project_id: str, session: Session) -> None:  # noqa: ARG002  whether it exists is asked outside the transaction
        check_gs_uri(source.uri, pointer=_POINTER)
        _format_of(source.uri)

    def rows(self, source: GsSource, *, access: SourceAccess) -> Iterator[SourceRow]:
        try:
            chunks = read_gs_uri(source.uri, project=access.google_project, own=access.store)
        except NotFound as error:
            raise missing_input("there is no such object", pointer=_POINTER) from error
        return rows_of(chunks, format_name=_format_of(source.uri), limits=access.limits)


def _format_of(uri: str) -> str:
    found = _SUFFIX.search(uri)
    if found and found[1] in READERS:
        return found[1]
    message = f"the name must end in one of {', '.join(f'.{name}' for name in READERS)}"
    fault = Fault(_POINTER, "unknown_format", message)
    raise Invalid(message, code="unknown_format", faults=[fault])
