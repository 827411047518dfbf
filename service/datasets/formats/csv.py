"""CSV with a header: RFC 4180, commas, double quotes."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator

from service.datasets.faults import RowFaults
from service.datasets.formats.rows import SourceRow
from service.errors import Fault, Invalid
from service.files.contents import text_lines


def read_csv(chunks: Iterable[bytes]) -> Iterator[SourceRow]:
    """Yield the records below the header; a row's number counts records, not lines.

    Columns without a name are left out. Strict about quotes: a quote that is never closed
    would swallow the rest of the file in silence.
    """
    records = csv.reader(text_lines(chunks), strict=True)
    header = _read_header(records)
    faults = RowFaults()
    for number, cells in enumerate(_records(records), start=1):
        if cells is None:
            faults.add(number, "invalid_csv_row", "quotes are wrong or a cell is too long")
        elif len(cells) != len(header):
            message = f"{len(cells)} cells, the header has {len(header)}"
            faults.add(number, "ragged_row", message)
        else:
            pairs = zip(header, cells, strict=True)
            yield SourceRow(number, {name: cell for name, cell in pairs if name})
    faults.finish()


def _read_header(records: Iterator[list[str]]) -> list[str]:
    header = next(_records(records), None)
    if header is None:
        raise Invalid("the file has no header", code="missing_header")
    names = [name.strip() for name in header]
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        message = f"the header names {len(twice)} columns twice"
        fault = Fault("row 0", "duplicate_column", message)
        raise Invalid(message, code="duplicate_column", faults=[fault])
    return names


def _records(records: Iterator[list[str]]) -> Iterator[list[str] | None]:
    """Yield records, None for one that cannot be read; blank lines are passed over."""
    while True:
        try:
            cells = next(records)
        except StopIteration:
            return
        except csv.Error:
            yield None
        else:
            if cells:
                yield cells
