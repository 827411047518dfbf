"""One shard is converted and stored as one object; the stored results of all shards are merged."""

import json
import platform
import shutil
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from service.catalogue.catalogue import Catalogue
from service.catalogue.entry import ModelEntry
from service.datasets.conversion.converted_rows import FILE_NAME, ConvertedRowsWriter
from service.datasets.conversion.row_conversion import RowConverter
from service.datasets.drops import DropReason, Drops
from service.datasets.examples import Split
from service.datasets.preparation import conversion_plan, open_writer
from service.datasets.presets.preset import Preset
from service.datasets.row_faults import FaultLog, RowFault
from service.datasets.schemas import ConversionShardSpec, PrepareSpec
from service.datasets.sharding.shard_files import converted_key, fetch, rows_key
from service.errors import NotFound
from service.jobs.ports import JobRun
from service.storage.ports import ObjectStore
from service.work_folders import work_folder

_KEYS, _SUMMARY = "keys.arrow", "summary.json"
# The hashes in keys are Polars' own: other versions of it may compute others. The number is that
# of the columns of keys.
_MADE_WITH = f"keys 3 polars {pl.__version__} {platform.machine()}"


def convert_shard(
    run: JobRun,
    shard: ConversionShardSpec,
    *,
    preset: Preset,
    store: ObjectStore,
    catalogue: Catalogue,
) -> None:
    """Store the result of a shard unless it is there; raises what `store` and `run` raise."""
    target = converted_key(shard.folder, shard.number)
    if store.size(target) is not None:
        return
    with work_folder() as folder:
        made = folder / "made"
        fetch_and_convert(
            shard,
            preset=preset,
            store=store,
            base_model=catalogue.entry(shard.prepare.model or shard.model),
            folder=made,
            progress=_progress(run, shard),
        )
        run.check()
        store.put_file(target, _packed(made, folder / "tar"), content_type="application/x-tar")


def _progress(run: JobRun, shard: ConversionShardSpec) -> Callable[[int], None]:
    def progress(rows: int) -> None:
        run.check()
        run.report(rows, shard.rows, unit="items", stage="checking")

    return progress


def fetch_and_convert(
    shard: ConversionShardSpec,
    *,
    preset: Preset,
    store: ObjectStore,
    base_model: ModelEntry,
    folder: Path,
    progress: Callable[[int], None],
) -> None:
    """Convert the rows of a shard into a new folder, in the files that `ShardMerger.add` reads."""
    folder.mkdir()
    rows = fetch(rows_key(shard.folder, shard.number), folder / "rows", store=store)
    convert_rows(
        rows,
        spec=shard.prepare,
        preset=preset,
        base_model=base_model,
        split=shard.split,
        folder=folder,
        progress=progress,
    )
    rows.unlink()


def convert_rows(
    path: Path,
    *,
    spec: PrepareSpec,
    preset: Preset,
    base_model: ModelEntry,
    split: Split | None,
    folder: Path,
    progress: Callable[[int], None],
) -> None:
    plan = conversion_plan(preset, spec)
    writer = open_writer(folder, preset=preset, spec=spec, base_model=base_model)
    with closing(writer) as converted:
        for rows in RowConverter(plan, converted).convert(path, split=split):
            progress(rows)
        log, result = converted.take_log(), converted.finish()
        summary: dict[str, Any] = {
            "made_with": _MADE_WITH,
            "log": asdict(log),
            "drops": asdict(result.drops),
            "checks": result.checks.summary(),
        }
        if result.near is not None:
            result.near.save()
    result.keys.write_ipc_stream(folder / _KEYS)
    (folder / _SUMMARY).write_text(json.dumps(summary))


def _packed(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w") as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, arcname=file.name)
            file.unlink()  # so that the disk holds each byte once
    return path


def unpack_shard(folder: str, number: int, *, store: ObjectStore, into: Path) -> bool:
    """Unpack the result of a shard into a new folder.

    Return False if it cannot be used: it is lost, or another version of Polars made it.
    """
    into.mkdir()
    try:
        with (
            store.open(converted_key(folder, number)) as stream,
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            tar.extractall(into, filter="data")
    except NotFound:
        return False
    return bool(_summary(into)["made_with"] == _MADE_WITH)


def _summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / _SUMMARY).read_text())
    return found


class ShardMerger:
    """Adds the results of one shard after the other to `rows`."""

    def __init__(self, rows: ConvertedRowsWriter) -> None:
        self._rows = rows

    def add(self, folder: Path) -> None:
        """Add the unpacked result of a shard, and remove its folder."""
        summary = _summary(folder)
        self._rows.log.take(_log_of(summary["log"]))
        self._rows.drops.absorb(_drops_of(summary["drops"]))
        self._rows.checks.absorb(summary["checks"])
        if (folder / FILE_NAME).exists():  # not where every row was dropped
            self._append(folder / FILE_NAME)
            self._rows.keys.append(pl.read_ipc_stream(folder / _KEYS))
            if self._rows.near is not None:
                self._rows.near.absorb(folder)
        shutil.rmtree(folder)

    def _append(self, path: Path) -> None:
        from pyarrow import parquet

        with parquet.ParquetFile(path, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                self._rows.append(file.read_row_group(group))


def _log_of(saved: dict[str, Any]) -> FaultLog:
    return FaultLog(**saved | {"faults": [RowFault(**each) for each in saved["faults"]]})


def _drops_of(saved: dict[str, Any]) -> Drops:
    return Drops(
        **{
            name: {DropReason(reason): value for reason, value in values.items()}
            for name, values in saved.items()
        }
    )
