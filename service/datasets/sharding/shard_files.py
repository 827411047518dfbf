"""The rows of shards in the object store, for the workers that convert them."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter

from service.datasets.conversion.row_conversion import ConversionPlan, columns_read
from service.datasets.examples import Split
from service.datasets.ingestion.staged_rows import StagedRows
from service.datasets.ingestion.staged_writer import ROW
from service.datasets.refusals import Staged
from service.datasets.row_faults import RowFault
from service.datasets.sharding.shard_jobs import SourceShard
from service.storage.ports import ObjectStore

_BATCH_ROWS = 20_000
_MAX_SHARDS = 1000  # of one source, however small the shards are configured


class ShardedSource(BaseModel):
    """What is kept of a staged source whose rows were stored in shards."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    split: Split | None
    source_rows: int
    shards: int = Field(validation_alias=AliasChoices("shards", "shares"))  # `shares` in 0.1
    faults: tuple[RowFault, ...]
    assumed_encodings: tuple[str, ...] = ()


_SOURCES = TypeAdapter(tuple[ShardedSource, ...])


def rows_key(folder: str, number: int) -> str:
    return f"{folder}/{number}.rows.parquet"


def converted_key(folder: str, number: int) -> str:
    return f"{folder}/{number}.drafts.tar"


def _sources_key(folder: str) -> str:
    return f"{folder}/sources.json"


def store_shards(
    staged: Sequence[Staged],
    *,
    plan: ConversionPlan,
    shard_rows: int,
    folder: str,
    store: ObjectStore,
    scratch: Path,
    check: Callable[[], None],
) -> list[SourceShard]:
    """Store staged sources in shards of about equal size, of about `shard_rows` rows at most.

    They hold only the columns that are read. `check` is called before each and may raise.
    """
    shards: list[SourceShard] = []
    sources = []
    path = scratch / "shard"
    for each in staged:
        before = len(shards)
        for rows in _write_shard_files(each.rows, plan, shard_rows, path):
            check()
            _put(path, rows_key(folder, len(shards)), store)
            shards.append(SourceShard(rows, each.split))
        sources.append(
            ShardedSource(
                split=each.split,
                source_rows=each.rows.source_rows,
                shards=len(shards) - before,
                faults=each.rows.faults,
                assumed_encodings=each.rows.assumed_encodings,
            )
        )
    path.write_bytes(_SOURCES.dump_json(tuple(sources)))
    _put(path, _sources_key(folder), store)
    return shards


def _put(path: Path, key: str, store: ObjectStore) -> None:
    store.put_file(key, path, content_type="application/octet-stream")
    path.unlink()


def _write_shard_files(
    rows: StagedRows, plan: ConversionPlan, most: int, path: Path
) -> Iterator[int]:
    """Write one shard after the other to one path, and yield the rows of each."""
    from pyarrow import parquet

    count = min(-(-rows.rows // most), _MAX_SHARDS)
    ends = [rows.rows * (number + 1) // count for number in range(count)]
    with parquet.ParquetFile(rows.path, pre_buffer=False) as file:
        names = [ROW, *columns_read(plan, file.schema_arrow.names)]
        batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=names)
        for _, parts in groupby(_cut(batches, ends), key=itemgetter(0)):
            yield _write((batch for _, batch in parts), path)


def _cut(batches: Iterator[Any], ends: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """Yield batches with the number of their shard, cut where one ends."""
    shard = done = 0
    for whole in batches:
        batch = whole
        while batch.num_rows:
            taken = batch.slice(0, ends[shard] - done)
            yield shard, taken
            batch, done = batch.slice(taken.num_rows), done + taken.num_rows
            shard += done == ends[shard]


def _write(batches: Iterator[Any], path: Path) -> int:
    from pyarrow import parquet

    first = next(batches)
    with parquet.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_batch(first)
        rows = int(first.num_rows)
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def sharded_sources(folder: str, *, store: ObjectStore) -> tuple[ShardedSource, ...]:
    """Return what is kept of the sources whose shards are in a folder."""
    return _SOURCES.validate_json(b"".join(store.chunks(_sources_key(folder))))


def fetch(key: str, path: Path, *, store: ObjectStore) -> Path:
    """Copy an object to a new file; raises NotFound, Unavailable."""
    with path.open("xb") as file:
        for piece in store.chunks(key):
            file.write(piece)
    return path
