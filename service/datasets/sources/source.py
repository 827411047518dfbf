"""What a source of rows is, and the faults of a spec that names one."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.database import Session, Sessions
from service.datasets.formats.class_names import ClassNames
from service.datasets.formats.options import FormatName
from service.datasets.formats.read_context import IngestionLimits
from service.datasets.formats.rows import SourceRow
from service.datasets.sources.hub_client import HubClient
from service.errors import Fault, NotFound, TunecurveError
from service.files.contents import FileLimits
from service.storage.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class SourceAccess:
    """What reading may use. `google_project` pays for reading `gs://` addresses, which is done as
    `google_account`, a service account, unless that is empty.

    `hub` reaches the Hugging Face hub. `limits` that are those of uploads leave the others at
    their defaults.
    """

    project_id: str
    sessions: Sessions
    store: ObjectStore
    limits: FileLimits | IngestionLimits
    google_project: str
    hub: HubClient = field(default_factory=HubClient)
    google_account: str = ""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source: its bytes as they come, perhaps compressed.

    `class_names` are what numbers in its columns stand for, where the source says so.
    """

    chunks: Iterable[bytes]
    format_name: FormatName
    class_names: ClassNames = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Files:
    """A source of files, whose rows follow each other."""

    files: Iterator[SourceFile]


@dataclass(frozen=True, slots=True)
class Rows:
    """A source that makes its rows itself."""

    rows: Iterator[SourceRow]


class Source(Protocol):
    """One kind of source; `source` is its part of the spec, checked by the schema."""

    def check(self, source: Any, *, project_id: str, session: Session) -> None:
        """Raise NotFound or Invalid, pointing into the spec, for what cannot be read later."""
        ...

    def open(self, source: Any, *, access: SourceAccess) -> Files | Rows:
        """Return what is there to read; raises NotFound `input_not_found`, Unavailable."""
        ...


def missing_input(what: str, *, pointer: str) -> NotFound:
    """Return the error for a source that is not there."""
    fault = Fault(pointer, "input_not_found", what)
    return NotFound(what, code="input_not_found", faults=[fault])


@contextmanager
def repoint_faults(prefix: str, *, to: str) -> Iterator[None]:
    """Raise what the block raises, with `prefix` of its faults' pointers replaced by `to`."""
    try:
        yield
    except TunecurveError as error:
        if prefix == to or not error.faults:
            raise
        faults = [_repointed(fault, prefix, to) for fault in error.faults]
        raise type(error)(error.message, code=error.code, faults=faults) from error


def _repointed(fault: Fault, prefix: str, to: str) -> Fault:
    if fault.pointer != prefix and not fault.pointer.startswith(f"{prefix}/"):
        return fault
    return Fault(to + fault.pointer.removeprefix(prefix), fault.code, fault.message)
