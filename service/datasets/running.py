"""The job `prepare`: stage, prepare, write, store, and only then fill the row."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from service.clock import utc_now
from service.datasets import repository
from service.datasets.artifacts import Finished, columns_of, store_artifacts
from service.datasets.examples import Split
from service.datasets.finishing import finish
from service.datasets.ports import CountTokens
from service.datasets.preparation import Staged, prepare
from service.datasets.presets.preset import Preset
from service.datasets.schemas import PrepareSpec
from service.datasets.sources.source import SourceAccess
from service.datasets.staging.limits import limits_of
from service.datasets.staging.staging import stage
from service.jobs.ports import JobRun

log = structlog.get_logger()


def make_dataset(
    run: JobRun,
    spec: PrepareSpec,
    *,
    preset: Preset,
    access: SourceAccess,
    model: str = "",
    count_tokens: CountTokens | None = None,
) -> None:
    """Make the dataset that the job has reserved.

    Files are stored first and the row is filled last, so nothing half-made is ever seen.
    Raises what `stage`, `prepare` and `finish` raise, JobCancelled, LeaseLost.
    """
    with tempfile.TemporaryDirectory(prefix="tunecurve-") as folder:
        dataset = _on_this_machine(
            run, spec, preset, access, Path(folder), model=model, count_tokens=count_tokens
        )
        run.check()
        _store(run, dataset, preset, access, Path(folder))
    log.info(
        "dataset_prepared",
        dataset_id=run.outputs["dataset"],
        preset=preset.name,
        rows=dataset.report.kept,
    )


def _on_this_machine(
    run: JobRun,
    spec: PrepareSpec,
    preset: Preset,
    access: SourceAccess,
    folder: Path,
    *,
    model: str,
    count_tokens: CountTokens | None,
) -> Finished:
    run.check()
    staged = list(_staged(spec, access, folder, _watch(run, "loading")))
    prepared = prepare(
        staged, preset=preset, spec=spec, folder=folder, watch=_watch(run, "checking"), model=model
    )
    run.check()
    run.report(0, prepared.kept, unit="items", stage="writing")
    return finish(
        prepared,
        preset=preset,
        train_sizes=spec.train_sizes,
        folder=folder,
        today=utc_now().date(),
        count_tokens=count_tokens,
    )


def _staged(
    spec: PrepareSpec, access: SourceAccess, folder: Path, watch: Callable[[int], None]
) -> Iterator[Staged]:
    sources = {None: spec.source, Split.TEST: spec.test_source}
    sources[Split.VALIDATION] = spec.validation_source
    for number, (split, source) in enumerate(sources.items()):
        if source is not None:
            place = folder / f"source_{number}"
            place.mkdir()
            limits = limits_of(access.limits)
            rows = stage(source, access=access, folder=place, limits=limits, watch=watch)
            yield Staged(rows, _split_of(split, spec))


def _split_of(split: Split | None, spec: PrepareSpec) -> Split | None:
    """Return where a source's rows belong: the main one's are train where all else is given."""
    everything = spec.test_source is not None and spec.validation_source is not None
    return Split.TRAIN if split is None and everything else split


def _watch(run: JobRun, stage_name: str) -> Callable[[int], None]:
    """Look up after each batch whether the job may go on."""

    def watch(rows: int) -> None:
        run.check()
        run.report(rows, None, unit="items", stage=stage_name)

    return watch


def _store(
    run: JobRun, dataset: Finished, preset: Preset, access: SourceAccess, folder: Path
) -> None:
    kept = dataset.report.kept
    run.report(0, kept, unit="items", stage="storing")
    artifacts = store_artifacts(dataset, preset=preset, store=access.store, folder=folder)
    run.report(kept, kept, unit="items", stage="filling")
    values = columns_of(dataset, artifacts)
    with run.fenced() as session:
        repository.fill(session, run.outputs["dataset"], ready_at=utc_now(), **values)
    # A dataset of equal content, deleted since, may have taken files along.
    if any(access.store.size(file.key) is None for file in artifacts.files):
        store_artifacts(dataset, preset=preset, store=access.store, folder=folder)
