"""The first rows of a source, as its format's reader gives them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.datasets.formats.options import FormatName, FormatOptions
from service.datasets.formats.read_context import IngestionLimits, ReadContext
from service.datasets.formats.rows import SourceRow
from service.datasets.ingestion.batches import Batch
from service.datasets.ingestion.file_batches import plain_file_batches
from service.datasets.preview.schemas import SampleRequest
from service.datasets.row_faults import RowFault
from service.datasets.sources.schemas import SyntheticSource
from service.errors import Invalid

ROWS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class SourceHead:
    """`rows` are good ones, `faults` of those before the last; `total` estimates all there are."""

    rows: list[SourceRow]
    columns: list[str]
    nested: frozenset[str]
    faults: list[RowFault]
    assumed_encodings: list[str]
    total: int
    exact: bool


def read_head(request: SampleRequest) -> SourceHead:
    """Read the head and keep up to a thousand rows.

    Raises Invalid for what is wrong with the file as a whole.
    """
    source = request.spec.source if request.spec else None
    if isinstance(source, SyntheticSource):
        from service.datasets.sources.synthetic import synthetic_rows  # it asks for the database

        rows = list(synthetic_rows(min(source.rows, ROWS_KEPT), seed=source.seed))
        columns = list(rows[0].fields)
        return SourceHead(rows, columns, frozenset(), [], [], source.rows, exact=True)
    return _head_of_file(request, getattr(source, "format", FormatOptions()))


def _head_of_file(request: SampleRequest, options: FormatOptions) -> SourceHead:
    limits = IngestionLimits(document_bytes=64 << 20, parquet_memory_bytes=1 << 30)
    context = ReadContext(limits=limits, given_options=options)
    name = options.name or FormatName(request.format or "jsonl")
    whole = request.head_bytes >= request.size_bytes
    rows: list[SourceRow] = []
    last = 0
    for row in _rows(plain_file_batches(Path(request.path), name, context), cut=not whole):
        last = row.number
        if len(rows) < ROWS_KEPT:
            rows.append(row)
    faults = [fault for fault in context.log.faults if whole or fault.row < last]
    counted = max([last, *(fault.row for fault in faults)])
    return SourceHead(
        rows=rows,
        columns=list(context.columns),
        nested=frozenset(context.nested),
        faults=faults,
        assumed_encodings=sorted(context.assumed_encodings),
        total=counted if whole else round(counted * request.size_bytes / request.head_bytes),
        exact=whole,
    )


def _rows(batches: Iterator[Batch], *, cut: bool) -> Iterator[SourceRow]:
    """Yield rows one by one; the end of a file that was cut is no fault of it."""
    try:
        for batch in batches:
            names = list(batch.columns)
            cells = [array.to_pylist() for array in batch.columns.values()]
            for number, *values in zip(batch.numbers, *cells, strict=True):
                pairs = zip(names, values, strict=True)
                yield SourceRow(number, {name: each for name, each in pairs if each is not None})
    except Invalid:
        if not cut:
            raise
