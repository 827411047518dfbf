"""The drafts of all shares become one: in the order of the rows, as if one worker had made them."""

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import polars as pl

from service.datasets.cleaning.near_duplicates import NearDuplicates
from service.datasets.conversion.converted_files import drafts_writer
from service.datasets.conversion.row_conversion import DraftPlan, Drafts
from service.datasets.conversion.row_keys import join_keys
from service.datasets.drops import DropReason, Drops
from service.datasets.row_faults import FaultLog, RowFault
from service.datasets.sharding.shard_conversion import DRAFTS, KEYS, MADE_WITH, SUMMARY
from service.datasets.sharding.shard_files import drafts_key
from service.datasets.validation.row_checks import RowChecks
from service.errors import NotFound
from service.storage.ports import ObjectStore


def unpack_drafts(folder: str, number: int, *, store: ObjectStore, into: Path) -> bool:
    """Unpack the drafts of a share into a new folder; return False when they are of no use here:
    lost, or made by another version of Polars, whose hashes differ.
    """
    into.mkdir()
    try:
        with (
            store.open(drafts_key(folder, number)) as stream,
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            tar.extractall(into, filter="data")
    except NotFound:
        return False
    return bool(_summary(into)["made_with"] == MADE_WITH)


def _summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / SUMMARY).read_text())
    return found


class Joining:
    """Takes the drafts of one share after the other; a `Drafter`, as `Drafting` is."""

    def __init__(self, plan: DraftPlan, folder: Path, *, checks: RowChecks) -> None:
        self._path = folder / DRAFTS
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
        if (folder / DRAFTS).exists():  # not where every row was dropped
            self._append(folder / DRAFTS)
            self._keys.append(pl.read_ipc_stream(folder / KEYS))
            if self._near is not None:
                self._near.absorb(folder)
        shutil.rmtree(folder)

    def _append(self, path: Path) -> None:
        from pyarrow import parquet

        with parquet.ParquetFile(path, pre_buffer=False) as file:
            if self._writer is None:
                self._writer = drafts_writer(self._path, file.schema_arrow)
            for group in range(file.num_row_groups):
                self._writer.write_table(file.read_row_group(group))

    def take_faults(self) -> list[RowFault]:
        """Return what is wrong with the rows since the last call."""
        log, self._log = self._log, FaultLog()
        return [*log.faults, *self._checks.take_faults()]

    def finish(self) -> Drafts:
        if self._writer is not None:
            self._writer.close()
        return Drafts(self._path, join_keys(self._keys), self._near, self._checks, self._drops)

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
