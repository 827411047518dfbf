"""Untrusted Parquet files, read in a subprocess."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import service
from service.datasets.formats.read_context import ReadContext
from service.datasets.ingestion.batches import Batch
from service.datasets.ingestion.staged_writer import ROW
from service.datasets.row_faults import FaultLog, RowFault
from service.errors import Invalid
from service.files.contents import TooLarge

_ROOT = Path(service.__file__).resolve().parents[1]
_MODULE = "service.datasets.ingestion.parquet_worker"


def parquet_batches(path: Path, context: ReadContext) -> Iterator[Batch]:
    """Note the faults and return the rows as texts; working files are left next to `path`.

    Raises Invalid `invalid_parquet`, TooLarge. A file that crashes the reader ends the subprocess.
    """
    texts = path.with_name("texts.parquet")
    notes = _converted(path, texts, context)
    context.nested.update(notes["nested"])
    context.add_columns(notes["columns"])
    context.class_names.update(notes["class_names"])
    faults = [RowFault(*each) for each in notes["faults"]]
    context.log.take(FaultLog(faults=faults, counts=notes["counts"]))
    return converted_batches(texts)


def _converted(source: Path, target: Path, context: ReadContext) -> dict[str, Any]:
    limits = context.limits
    needed = None if context.needed is None else sorted(context.needed)
    arguments = [str(source.resolve()), str(target.resolve())]
    arguments += [json.dumps(dataclasses.asdict(limits)), json.dumps(needed)]
    try:
        done = subprocess.run(  # noqa: S603  our own module, our own paths
            [sys.executable, "-m", _MODULE, *arguments],
            cwd=_ROOT,
            capture_output=True,
            timeout=limits.parquet_seconds,
            check=True,
        )
        notes: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        message = f"reading the Parquet file takes over {limits.parquet_seconds} s; split it"
        raise TooLarge(message, code="too_slow") from error
    except (subprocess.CalledProcessError, ValueError) as error:
        message = (
            "the Parquet file cannot be read within "
            f"{limits.parquet_memory_bytes} bytes of memory; write smaller row groups"
        )
        raise Invalid(message, code="invalid_parquet") from error
    if "error" in notes:
        code, message, too_large = notes["error"]
        raise (TooLarge if too_large else Invalid)(message, code=code)
    return notes


def converted_batches(texts: Path) -> Iterator[Batch]:
    """Yield the rows of a file of texts that the subprocess, or `convert`, has written."""
    from pyarrow import parquet

    with parquet.ParquetFile(texts, pre_buffer=False) as file:
        # The process has renamed a column `row`; its name comes back, to be renamed once.
        names = [name for name in file.schema_arrow.names if name != ROW]
        for batch in file.iter_batches(batch_size=20_000):
            columns = {_given_name(name): batch.column(name) for name in names}
            yield Batch(batch.column(ROW).to_pylist(), columns)


def _given_name(name: str) -> str:
    return ROW if name == f"{ROW}_" else name
