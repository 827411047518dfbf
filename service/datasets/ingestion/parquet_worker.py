"""The subprocess that converts an untrusted Parquet file into one of texts.

A file of 1 KB can expand to more than any machine's memory, and the reader is native code: only a
limit on the process itself holds.
"""

import dataclasses
import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from service.datasets.formats.class_names import parquet_class_names
from service.datasets.formats.parquet import readable_columns, text_arrays
from service.datasets.formats.read_context import IngestionLimits, ReadContext
from service.datasets.ingestion.staged_writer import StagedWriter
from service.errors import Invalid
from service.files.contents import TooLarge

_BATCH_ROWS = 5000


def main(source: str, target: str, limits_json: str, needed_json: str) -> None:
    """Write the texts of the file `source` to `target`; print the result as JSON."""
    limits = IngestionLimits(**json.loads(limits_json))
    needed = json.loads(needed_json)
    names = None if needed is None else frozenset(needed)
    context = ReadContext(limits=limits, needed=names)
    limit_process(limits)
    try:
        rows = convert(Path(source), Path(target), context)
        answer = {"rows": rows, **_notes(context)}
    except Invalid as error:
        answer = {"error": [error.code, error.message, isinstance(error, TooLarge)]}
    print(json.dumps(answer))  # noqa: T201  the parent reads standard output


def limit_process(limits: IngestionLimits) -> None:
    """Bound the memory of this process, for good, and leave no core of it."""
    memory = limits.parquet_memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def leave_out_pandas() -> None:
    """Arrow imports pandas for lists if it can, which takes two seconds: let it find none."""
    sys.meta_path.insert(0, _WithoutPandas())


def _notes(context: ReadContext) -> dict[str, Any]:
    return {
        "nested": sorted(context.nested),
        "columns": list(context.columns),
        "class_names": context.class_names,
        "faults": [dataclasses.astuple(fault) for fault in context.log.faults],
        "counts": context.log.counts,
    }


def convert(source: Path, target: Path, context: ReadContext) -> int:
    """Write the texts of a file to another and return how many rows it has; notes the faults.

    Raises Invalid, TooLarge. The reader may end the process.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(source, memory_map=True, pre_buffer=False) as file:
            _check_footer(file, context.limits)
            return _copy(file, StagedWriter(target), context)
    except MemoryError:
        raise _memory_exceeded(context.limits) from None
    except (pa.ArrowException, OSError, ValueError) as error:
        message = "the Parquet file is damaged or is not what its footer says; write it again"
        raise Invalid(message, code="invalid_parquet") from error


def _check_footer(file: Any, limits: IngestionLimits) -> None:
    """Refuse a file by its footer, which is compared with the data later."""
    about = file.metadata
    groups = [about.row_group(index) for index in range(about.num_row_groups)]
    if about.num_rows > limits.rows:
        raise TooLarge(f"a source may hold {limits.rows} rows; split it", code="too_many_rows")
    if sum(group.total_byte_size for group in groups) > limits.source_bytes:
        raise TooLarge(f"a file may hold {limits.source_bytes} bytes, expanded; split it")
    if about.num_rows < 0 or sum(group.num_rows for group in groups) != about.num_rows:
        message = "the footer's row groups do not add up to its rows; write the file again"
        raise Invalid(message, code="invalid_parquet")


def _copy(file: Any, writer: StagedWriter, context: ReadContext) -> int:
    names = readable_columns(file.schema_arrow, context)
    context.class_names.update(parquet_class_names(file.schema_arrow.metadata))
    rows = size_bytes = 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=names):
        numbers = range(rows + 1, rows + 1 + batch.num_rows)
        rows += batch.num_rows
        good, columns = text_arrays(_table(batch, names), numbers, context)
        size_bytes += sum(array.nbytes for array in columns.values())
        if size_bytes > context.limits.source_bytes:
            raise TooLarge(f"a file may hold {context.limits.source_bytes} bytes; split it")
        writer.write(good, columns)
    if rows != file.metadata.num_rows:
        message = f"the footer says {file.metadata.num_rows} rows and {rows} came; write it again"
        raise Invalid(message, code="invalid_parquet")
    writer.close(sorted(context.nested))
    return rows


def _table(batch: Any, names: Sequence[str]) -> Any:
    """Return the columns of these very names: the reader takes `text.x` for a part of `text`."""
    import pyarrow as pa

    return pa.Table.from_batches([batch]).select(names)


def _memory_exceeded(limits: IngestionLimits) -> TooLarge:
    message = (
        f"reading it takes more than {limits.parquet_memory_bytes} bytes of memory; "
        "write smaller row groups"
    )
    return TooLarge(message)


class _WithoutPandas:
    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002  the finder's signature
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


if __name__ == "__main__":
    leave_out_pandas()
    main(*sys.argv[1:])
