"""What a source of rows is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from service.database import Session, Sessions
from service.datasets.formats.rows import SourceRow
from service.files.contents import FileLimits
from service.storage.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class SourceAccess:
    """What reading may use. `google_project` pays for reading `gs://` addresses."""

    project_id: str
    sessions: Sessions
    store: ObjectStore
    limits: FileLimits
    google_project: str


class Source(Protocol):
    """One kind of source; `source` is its part of the spec, checked by the schema."""

    def check(self, source: Any, *, project_id: str, session: Session) -> None:
        """Raise NotFound or Invalid, pointing into the spec, for what cannot be read later."""
        ...

    def rows(self, source: Any, *, access: SourceAccess) -> Iterator[SourceRow]:
        """Yield the rows; raises NotFound `input_not_found`, Invalid, Unavailable."""
        ...
