"""A share is drafted: its rows are fetched, what came of them is stored as one object."""

import json
import platform
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from service.datasets.conversion.row_conversion import Drafting
from service.datasets.examples import Split
from service.datasets.preparation import draft_plan, row_checks
from service.datasets.presets.preset import Preset
from service.datasets.schemas import DraftSpec, PrepareSpec
from service.datasets.sharding.shard_files import drafts_key, fetch, rows_key
from service.jobs.ports import JobRun
from service.storage.ports import ObjectStore

DRAFTS, KEYS, SUMMARY = "drafts.parquet", "keys.arrow", "summary.json"
# The hashes in keys are Polars' own, which one version of it promises to repeat, not all.
MADE_WITH = f"polars {pl.__version__} {platform.machine()}"


def draft_share(run: JobRun, share: DraftSpec, *, preset: Preset, store: ObjectStore) -> None:
    """Store the drafts of a share unless they are there; raises what stores and `run` raise."""
    target = drafts_key(share.folder, share.number)
    if store.size(target) is not None:
        return
    with tempfile.TemporaryDirectory(prefix="tunecurve-") as name:
        folder = Path(name)
        made = folder / "made"
        fetch_and_draft(share, preset=preset, store=store, folder=made, watch=_watch(run, share))
        run.check()
        store.put_file(target, _packed(made, folder / "tar"), content_type="application/x-tar")


def _watch(run: JobRun, share: DraftSpec) -> Callable[[int], None]:
    def watch(rows: int) -> None:
        run.check()
        run.report(rows, share.rows, unit="items", stage="checking")

    return watch


def fetch_and_draft(
    share: DraftSpec,
    *,
    preset: Preset,
    store: ObjectStore,
    folder: Path,
    watch: Callable[[int], None],
) -> None:
    """Draft the rows of a share into a new folder, where `Joining` finds what came of them."""
    folder.mkdir()
    rows = fetch(rows_key(share.folder, share.number), folder / "rows", store=store)
    draft_rows(
        rows,
        spec=share.prepare,
        preset=preset,
        model=share.model,
        split=share.split,
        folder=folder,
        watch=watch,
    )
    rows.unlink()


def draft_rows(
    path: Path,
    *,
    spec: PrepareSpec,
    preset: Preset,
    model: str,
    split: Split | None,
    folder: Path,
    watch: Callable[[int], None],
) -> None:
    checks = row_checks(preset, spec, model)
    with closing(Drafting(draft_plan(preset, spec), folder, checks=checks)) as drafting:
        for rows in drafting.add(path, split=split):
            watch(rows)
        log, drafts = drafting.take_log(), drafting.finish()
        summary: dict[str, Any] = {
            "made_with": MADE_WITH,
            "log": asdict(log),
            "drops": asdict(drafts.drops),
            "checks": checks.summary(),
        }
        if drafts.near is not None:
            drafts.near.save()
    drafts.keys.write_ipc_stream(folder / KEYS)
    (folder / SUMMARY).write_text(json.dumps(summary))


def _packed(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w") as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, arcname=file.name)
            file.unlink()  # so that the disk holds each byte once
    return path
