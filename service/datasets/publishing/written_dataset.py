"""From a prepared dataset to one that is written and reported on, before anything is stored."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import structlog

from service.datasets.examples import Split
from service.datasets.ports import TokenCounter
from service.datasets.preparation import Prepared
from service.datasets.presets.preset import Preset
from service.datasets.publishing.artifacts import Finished
from service.datasets.publishing.example_files import Written, write_examples
from service.datasets.publishing.report_builder import build_report, whole_of
from service.datasets.validation.dataset_rules import Whole, cautions_about
from service.datasets.validation.levels import Level
from service.datasets.validation.token_counts import Calibration, calibrate
from service.errors import Fault, Invalid, TunecurveError

log = structlog.get_logger()


def finish(
    prepared: Prepared,
    *,
    preset: Preset,
    train_sizes: Sequence[int],
    folder: Path,
    today: date,
    count_tokens: TokenCounter | None = None,
) -> Finished:
    """Write a dataset's files into `folder` and report on them.

    Raises Invalid for what the model's limits do not allow, naming every limit.
    """
    written = write_examples(prepared, preset=preset, train_sizes=train_sizes, folder=folder)
    whole = whole_of(prepared, written, preset=preset, train_sizes=train_sizes, today=today)
    _refuse(whole)
    report = build_report(
        prepared,
        written,
        whole=whole,
        train_sizes=train_sizes,
        calibration=_calibration(written, prepared.limits.model, count_tokens),
    )
    return Finished(
        written=written,
        report=report,
        sizes={split: len(rows) for split, rows in prepared.splits.items()},
        groups={split: _groups(prepared, split) for split in Split},
    )


def _refuse(whole: Whole) -> None:
    errors = [each for each in cautions_about(whole) if each.level is Level.ERROR]
    if errors:
        faults = [Fault("/spec", each.code, each.message) for each in errors]
        raise Invalid(errors[0].message, code=errors[0].code, faults=faults)


def _groups(prepared: Prepared, split: Split) -> int:
    rows = prepared.keys.select("group_high", "group_low")[prepared.splits[split]]
    return int(rows.select(pl.struct(pl.all()).n_unique()).item()) if rows.height else 0


def _calibration(written: Written, model: str, counter: TokenCounter | None) -> Calibration:
    """Return what the provider's counts of a sample teach; without any, our own guess.

    A provider that cannot be asked ends no preparation: the report says so.
    """
    if counter is None or not model:
        return Calibration(not_counted="counting is turned off")
    texts = [f"{each.text}\n{each.target}" for each in written.samples]
    try:
        counted = counter.count(texts, model=model)
    except TunecurveError as error:
        log.warning("tokens_not_counted", model=model, code=error.code)
        return Calibration(not_counted=error.message)
    learnt = calibrate([len(text.encode()) for text in texts], counted)
    return replace(learnt, synthetic=counter.synthetic)
