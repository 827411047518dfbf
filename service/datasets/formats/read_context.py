"""What one pass over a file may use, how the file is written, and which faults were found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from service.datasets.formats.rows import (
    RepeatedMembers,
    SourceRow,
    as_text,
    depth_of,
    has_repeated,
    is_unicode,
)
from service.datasets.row_faults import FaultLog
from service.errors import Invalid
from service.files.contents import FileLimits

if TYPE_CHECKING:  # readers in processes of their own do without
    from service.datasets.formats.options import FormatOptions
    from service.settings import Settings


@dataclass(frozen=True, slots=True)
class IngestionLimits:
    """`source_bytes` bounds a file as sent and as expanded, `row_bytes` one row of it.

    A document that cannot be read piece by piece may hold `document_bytes`. Parquet is read by
    a process of its own that may use `parquet_memory_bytes` and `parquet_seconds`.
    """

    source_bytes: int = 4 << 30
    row_bytes: int = 1 << 20
    cell_characters: int = 1 << 17
    rows: int = 20_000_000
    columns: int = 1000
    column_name_characters: int = 200
    depth: int = 64
    document_bytes: int = 256 << 20
    parquet_memory_bytes: int = 2 << 30
    parquet_seconds: int = 1800


def limits_of(given: FileLimits | IngestionLimits) -> IngestionLimits:
    """Return the limits as given; those of files leave the others at their defaults."""
    if isinstance(given, IngestionLimits):
        return given
    return IngestionLimits(source_bytes=given.upload_bytes, row_bytes=given.line_bytes)


@dataclass(slots=True)
class ReadContext:
    """`nested` gathers the columns whose values were lists or objects; `columns` all names.

    `needed` are the columns that are read, None for all; what others hold is no fault.
    `validated`: the file is known to be valid text, so that its cells need no check.
    `assumed_encodings` are those chosen because they are likely. `names_in_rows` are columns whose
    name is a value of one of their first rows: the header may be data; `names_like_cells` are those
    whose name is made of the same kinds of characters. `class_names` are given by
    column, in place of the numbers unless these are kept.
    """

    limits: IngestionLimits = field(default_factory=IngestionLimits)
    given_options: "FormatOptions | None" = None
    log: FaultLog = field(default_factory=FaultLog)
    nested: set[str] = field(default_factory=set)
    columns: dict[str, None] = field(default_factory=dict)
    needed: frozenset[str] | None = None
    validated: bool = False
    assumed_encodings: set[str] = field(default_factory=set)
    names_in_rows: set[str] = field(default_factory=set)
    names_like_cells: set[str] = field(default_factory=set)
    class_names: dict[str, Sequence[str]] = field(default_factory=dict)
    keeps_class_numbers: bool = False

    @property
    def options(self) -> "FormatOptions":
        """How the file is written, as far as that was said."""
        from service.datasets.formats.options import FormatOptions

        return self.given_options or FormatOptions()

    def needs(self, name: str) -> bool:
        return self.needed is None or name in self.needed

    def add_columns(self, names: Iterable[str]) -> None:
        """Note columns; raise Invalid `too_many_columns` or `column_name_too_long`.

        Where the columns that are read are known, others beyond the limits are not noted.
        """
        longest = self.limits.column_name_characters
        if self.needed is not None:
            room = max(0, self.limits.columns - len(self.columns))
            cut = (name[: longest + 1] for name in names if name not in self.columns)
            self.columns.update(dict.fromkeys(islice(cut, room)))
            return
        noted = list(names)
        for name in noted:
            if len(name) > longest:
                message = f"a column's name has more than {longest} characters; is it a header?"
                raise Invalid(message, code="column_name_too_long")
        self.columns.update(dict.fromkeys(noted))
        if len(self.columns) > self.limits.columns:
            message = f"more than {self.limits.columns} columns; leave out those that are not used"
            raise Invalid(message, code="too_many_columns")

    def object_row(self, number: int, value: Any, *, repeated: bool) -> SourceRow | None:
        """Return the row of a JSON value; note the fault and return None if it is no object.

        `repeated`: some object in it names a member twice.
        """
        if not isinstance(value, dict):
            message = 'not a JSON object; write one {"column": "text"} a row'
            self.log.add(number, "invalid_json_row", message)
            return None
        if repeated and self._repeats(value):
            message = "an object names a member twice; keep the one that is meant"
            self.log.add(number, "duplicate_key", message)
            return None
        return self.row_of(number, value)

    def _repeats(self, record: dict[str, Any]) -> bool:
        twice = record.twice if isinstance(record, RepeatedMembers) else ()
        held = (value for name, value in record.items() if self.needs(name))
        return any(map(self.needs, twice)) or any(map(has_repeated, held))

    def row_of(self, number: int, record: dict[str, Any]) -> SourceRow | None:
        """Return an object's members as texts; note its fault and return None if it has one."""
        if not record.keys() <= self.columns.keys():
            self.add_columns(filter(None, record))
        fields: dict[str, str] = {}
        for name, value in record.items():
            if not name or not self.needs(name):
                continue
            text = value if type(value) is str else self._as_text(number, name, value)
            if text is None:
                return None
            if not is_unicode(text) or not is_unicode(name):
                message = "half of a surrogate pair (\\ud83d without its other half); write both"
                self.log.add(number, "invalid_unicode", message, column=_printable(name))
                return None
            fields[name] = text
        return SourceRow(number, fields)

    def _as_text(self, number: int, name: str, value: Any) -> str | None:
        """Return the text of another value; note its fault and return None if it has one."""
        if isinstance(value, list | dict):
            if depth_of(value, limit=self.limits.depth) > self.limits.depth:
                message = f"lists and objects lie more than {self.limits.depth} deep; flatten them"
                self.log.add(number, "too_deep", message, column=_printable(name))
                return None
            self.nested.add(name)
        try:
            return as_text(value)
        except ValueError:
            message = "a number that is not finite; write null or a text"
            self.log.add(number, "invalid_number", message, column=_printable(name))
            return None


def _printable(name: str) -> str:
    return name if is_unicode(name) else "?"


def ingestion_limits(settings: "Settings") -> IngestionLimits:
    """Return the limits that the settings ask for."""
    return IngestionLimits(
        source_bytes=settings.source_bytes_limit,
        row_bytes=settings.line_bytes_limit,
        cell_characters=settings.cell_characters_limit,
        rows=settings.source_rows_limit,
        columns=settings.source_columns_limit,
        depth=settings.json_depth_limit,
        document_bytes=settings.json_bytes_limit,
        parquet_memory_bytes=settings.parquet_memory_bytes,
        parquet_seconds=settings.parquet_seconds,
    )
