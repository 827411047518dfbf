"""A staged source: one Parquet file of texts, what is known about it, and how it is made."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.datasets.formats.options import FormatOptions
from service.datasets.formats.read_context import IngestionLimits, ReadContext
from service.datasets.formats.rows import SourceRow
from service.datasets.ingestion.batches import Batch, batches_of
from service.datasets.ingestion.file_batches import batches_of_file
from service.datasets.ingestion.staged_writer import ROW, StagedWriter, kept_name
from service.datasets.row_faults import FaultLog, RowFault
from service.datasets.sources.registry import SOURCES
from service.datasets.sources.source import Files, Rows, SourceAccess, SourceFile
from service.files.contents import TooLarge


@dataclass(frozen=True, slots=True)
class StagedRows:
    """`rows` are in the file, `source_rows` are these and the ones with a fault.

    The file has `row` (int64) first, then those of `columns` that are needed, all of them strings;
    a column of the source that is called `row` itself is kept as `row_`. `nested` columns hold JSON
    of lists and objects. `sha256` is that of the rows in order, not of the file: row numbers, order
    of columns and the format they came in do not count. `fault_counts` counts by code beyond
    `faults`. `assumed_encodings` are those of its files that were chosen because they are likely.
    `names_in_rows` are columns whose name is a value in them: the header may be data;
    `names_like_cells` those whose name only looks like one.
    """

    path: Path
    rows: int
    source_rows: int
    columns: tuple[str, ...]
    nested: tuple[str, ...]
    sha256: str
    faults: tuple[RowFault, ...]
    fault_counts: Mapping[str, int]
    assumed_encodings: tuple[str, ...] = ()
    names_in_rows: tuple[str, ...] = ()
    names_like_cells: tuple[str, ...] = ()


def staged_rows(staged: StagedRows, *, columns: Sequence[str] | None = None) -> Iterator[SourceRow]:
    """Yield rows one by one in order; a row's fields are those that it has."""
    from pyarrow import parquet

    read = None if columns is None else [ROW, *columns]
    with parquet.ParquetFile(staged.path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=5000, columns=read):
            names = batch.schema.names[1:]
            numbers, *cells = (column.to_pylist() for column in batch.columns)
            for number, *values in zip(numbers, *cells, strict=True):
                pairs = zip(names, values, strict=True)
                yield SourceRow(number, {name: each for name, each in pairs if each is not None})


_FILE_NAME = "staged.parquet"


def _no_progress(rows: int) -> None:
    """Do nothing."""


def stage_source(
    source: Any,
    *,
    access: SourceAccess,
    folder: Path,
    limits: IngestionLimits | None = None,
    options: FormatOptions | None = None,
    needed: Iterable[str] | None = None,
    keeps_class_numbers: bool = False,
    progress: Callable[[int], None] = _no_progress,
) -> StagedRows:
    """Read a source of the spec into a Parquet file in the folder, a batch in memory at a time.

    Bad rows are left out and named in `faults`. `progress` is called with the rows so far
    after each batch and may raise. `options` are those of the source, if none are given. `needed`
    are the columns to read, None for all. The same
    source staged again gives the same `sha256`. Raises Invalid, TooLarge, NotFound, Unavailable for
    what is wrong with the source as a whole; the folder then holds nothing of it.
    """
    if options is None:
        options = getattr(source, "format", FormatOptions())
    context = _context(limits or IngestionLimits(), options, needed)
    context.keeps_class_numbers = keeps_class_numbers
    opened = SOURCES[source.type].open(source, access=access)
    return _staged(_batches(opened, folder, context), folder, context, progress)


def _context(
    limits: IngestionLimits, options: FormatOptions, needed: Iterable[str] | None
) -> ReadContext:
    names = None if needed is None else frozenset(map(_source_name, needed))
    return ReadContext(limits=limits, given_options=options, needed=names)


def _source_name(name: str) -> str:
    return ROW if name == kept_name(ROW) else name


def _batches(opened: Files | Rows, folder: Path, context: ReadContext) -> Iterator[Batch]:
    match opened:
        case Rows(rows):
            return batches_of(rows)
        case Files(files):
            return _batches_of_files(files, folder, context)


def _known_columns(writer: StagedWriter, context: ReadContext) -> tuple[str, ...]:
    """Return the columns that are in the file, and the names of others."""
    if context.needed is None:
        return writer.columns
    known = [
        name
        for name in context.columns
        if name not in context.needed or kept_name(name) in writer.columns
    ]
    return tuple(dict.fromkeys([*map(kept_name, known), *writer.columns]))


def stage_rows(
    rows: Iterable[SourceRow], *, folder: Path, nested: Iterable[str] = ()
) -> StagedRows:
    """Stage given rows; only tests do."""
    context = ReadContext(nested=set(nested))
    return _staged(batches_of(rows), folder, context, _no_progress)


def stage_file(
    file: SourceFile,
    *,
    folder: Path,
    limits: IngestionLimits,
    options: FormatOptions | None = None,
    needed: Iterable[str] | None = None,
) -> StagedRows:
    """Stage one given file; only tests and benchmarks do."""
    context = _context(limits, options or FormatOptions(), needed)
    return _staged(_batches_of_files(iter([file]), folder, context), folder, context, _no_progress)


def _batches_of_files(
    files: Iterator[SourceFile], folder: Path, context: ReadContext
) -> Iterator[Batch]:
    """Yield the rows of all files, numbered through."""
    offset = 0
    for file in files:
        of_file = ReadContext(
            limits=context.limits,
            given_options=context.options,
            nested=context.nested,
            columns=context.columns,
            needed=context.needed,
            assumed_encodings=context.assumed_encodings,
            names_in_rows=context.names_in_rows,
            names_like_cells=context.names_like_cells,
            class_names=dict(file.class_names),
            keeps_class_numbers=context.keeps_class_numbers,
        )
        name = context.options.name or file.format_name
        last = 0
        for batch in batches_of_file(file.chunks, name=name, folder=folder, context=of_file):
            yield batch.shifted(offset)
            last = max(last, batch.last_number)
        context.log.take(of_file.log, offset=offset)
        offset += max([last, *(fault.row for fault in of_file.log.faults)])


def _staged(
    batches: Iterator[Batch], folder: Path, context: ReadContext, progress: Callable[[int], None]
) -> StagedRows:
    path = folder / _FILE_NAME
    writer = StagedWriter(path)
    try:
        for batch in batches:
            writer.write(batch.numbers, batch.columns)
            _check_rows(writer.rows, context.limits)
            progress(writer.rows + context.log.total)
        writer.close(sorted(context.nested))
    except BaseException:
        writer.discard()
        raise
    return _summary(path, writer, context, context.log)


def _check_rows(rows: int, limits: IngestionLimits) -> None:
    if rows > limits.rows:
        message = f"a source may hold {limits.rows} rows; split it"
        raise TooLarge(message, code="too_many_rows")


def _summary(path: Path, writer: StagedWriter, context: ReadContext, log: FaultLog) -> StagedRows:
    return StagedRows(
        path=path,
        rows=writer.rows,
        source_rows=writer.rows + log.total,
        columns=_known_columns(writer, context),
        nested=writer.kept(context.nested),
        sha256=writer.sha256,
        faults=tuple(log.faults),
        fault_counts=dict(log.counts),
        assumed_encodings=tuple(sorted(context.assumed_encodings)),
        names_in_rows=tuple(sorted(context.names_in_rows)),
        names_like_cells=tuple(sorted(context.names_like_cells)),
    )
