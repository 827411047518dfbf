"""One shard is converted and stored as one object; the stored results of all shards are merged."""

import json
import platform
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from service.catalogue.catalogue import Catalogue
from service.catalogue.entry import ModelEntry
from service.datasets.cleaning.near_duplicates import NearDuplicates
from service.datasets.conversion.converted_files import converted_rows_writer
from service.datasets.conversion.row_conversion import ConversionPlan, ConvertedRows, RowConverter
from service.datasets.conversion.row_keys import concat_keys
from service.datasets.drops import DropReason, Drops
from service.datasets.examples import Split
from service.datasets.preparation import conversion_plan, row_checks
from service.datasets.presets.preset import Preset
from service.datasets.row_faults import FaultLog, RowFault
from service.datasets.schemas import DraftSpec, PrepareSpec
from service.datasets.sharding.shard_files import converted_key, fetch, rows_key
from service.datasets.validation.row_checks import RowChecks
from service.errors import NotFound
from service.jobs.ports import JobRun
from service.storage.ports import ObjectStore

CONVERTED, KEYS, SUMMARY = "drafts.parquet", "keys.arrow", "summary.json"
# The hashes in keys are Polars' own, which one version of it promises to repeat, not all.
MADE_WITH = f"polars {pl.__version__} {platform.machine()}"


def convert_shard(
    run: JobRun, shard: DraftSpec, *, preset: Preset, store: ObjectStore, catalogue: Catalogue
) -> None:
    """Store the drafts of a share unless they are there; raises what stores and `run` raise."""
    target = converted_key(shard.folder, shard.number)
    if store.size(target) is not None:
        return
    with tempfile.TemporaryDirectory(prefix="tunecurve-") as name:
        folder = Path(name)
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


def _progress(run: JobRun, shard: DraftSpec) -> Callable[[int], None]:
    def progress(rows: int) -> None:
        run.check()
        run.report(rows, shard.rows, unit="items", stage="checking")

    return progress


def fetch_and_convert(
    shard: DraftSpec,
    *,
    preset: Preset,
    store: ObjectStore,
    base_model: ModelEntry,
    folder: Path,
    progress: Callable[[int], None],
) -> None:
    """Draft the rows of a share into a new folder, where `Joining` finds what came of them."""
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
    checks = row_checks(preset, base_model)
    with closing(RowConverter(conversion_plan(preset, spec), folder, checks=checks)) as drafting:
        for rows in drafting.add(path, split=split):
            progress(rows)
        log, converted = drafting.take_log(), drafting.finish()
        summary: dict[str, Any] = {
            "made_with": MADE_WITH,
            "log": asdict(log),
            "drops": asdict(converted.drops),
            "checks": checks.summary(),
        }
        if converted.near is not None:
            converted.near.save()
    converted.keys.write_ipc_stream(folder / KEYS)
    (folder / SUMMARY).write_text(json.dumps(summary))


def _packed(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w") as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, arcname=file.name)
            file.unlink()  # so that the disk holds each byte once
    return path


def unpack_shard(folder: str, number: int, *, store: ObjectStore, into: Path) -> bool:
    """Unpack the drafts of a share into a new folder; return False when they are of no use here:
    lost, or made by another version of Polars, whose hashes differ.
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
    return bool(_summary(into)["made_with"] == MADE_WITH)


def _summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / SUMMARY).read_text())
    return found


class ShardMerger:
    """Takes the drafts of one share after the other; a `Drafter`, as `Drafting` is."""

    def __init__(self, plan: ConversionPlan, folder: Path, *, checks: RowChecks) -> None:
        self._path = folder / CONVERTED
        self._keys: list[pl.DataFrame] = []
        self._writer: Any = None
        self._near: NearDuplicates | None = None
        if plan.near_threshold is not None:
            self._near = NearDuplicates(folder, threshold=plan.near_threshold)
        self._log, self._drops, self._checks = FaultLog(), Drops(), checks

    def add(self, folder: Path) -> None:
        """Add what a share left in a folder, and remove the folder."""
        summary = _summary(folder)
        self._log.take(_log_of(summary["log"]))
        self._drops.absorb(_drops_of(summary["drops"]))
        self._checks.absorb(summary["checks"])
        if (folder / CONVERTED).exists():  # not where every row was dropped
            self._append(folder / CONVERTED)
            self._keys.append(pl.read_ipc_stream(folder / KEYS))
            if self._near is not None:
                self._near.absorb(folder)
        shutil.rmtree(folder)

    def _append(self, path: Path) -> None:
        from pyarrow import parquet

        with parquet.ParquetFile(path, pre_buffer=False) as file:
            if self._writer is None:
                self._writer = converted_rows_writer(self._path, file.schema_arrow)
            for group in range(file.num_row_groups):
                self._writer.write_table(file.read_row_group(group))

    def take_faults(self) -> list[RowFault]:
        """Return what is wrong with the rows since the last call."""
        log, self._log = self._log, FaultLog()
        return [*log.faults, *self._checks.take_faults()]

    def finish(self) -> ConvertedRows:
        if self._writer is not None:
            self._writer.close()
        return ConvertedRows(
            self._path, concat_keys(self._keys), self._near, self._checks, self._drops
        )

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._near is not None:
            self._near.close()


def _log_of(saved: dict[str, Any]) -> FaultLog:
    return FaultLog(**saved | {"faults": [RowFault(**each) for each in saved["faults"]]})


def _drops_of(saved: dict[str, Any]) -> Drops:
    return Drops(
        **{
            name: {DropReason(reason): value for reason, value in values.items()}
            for name, values in saved.items()
        }
    )
