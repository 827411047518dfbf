"""From a prepared dataset to one that is written and reported on, before anything is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import structlog

from service.datasets.examples import Split
from service.datasets.ports import TokenCounter
from service.datasets.preparation import SplitDataset
from service.datasets.presets.preset import Preset
from service.datasets.publishing.example_files import WrittenFiles, write_examples
from service.datasets.publishing.placeholder_labels import (
    PlaceholderLabels,
    placeholder_labels,
    with_labels_of_train,
)
from service.datasets.publishing.report_builder import build_report, dataset_facts
from service.datasets.row_faults import Level
from service.datasets.schemas import DatasetReport
from service.datasets.splitting.hash_split import group_sizes
from service.datasets.validation.dataset_facts import DatasetFacts
from service.datasets.validation.dataset_rules import dataset_findings
from service.datasets.validation.token_counts import Calibration, calibrate
from service.errors import Fault, Invalid, TunecurveError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WrittenDataset:
    """A prepared dataset, written to this machine, with its report; nothing is stored yet."""

    written: WrittenFiles
    instruction: str
    report: DatasetReport
    sizes: Mapping[Split, int]
    groups: Mapping[Split, int]

    def rows(self, split: Split) -> int:
        return self.sizes[split]


def write_dataset(
    prepared: SplitDataset,
    *,
    preset: Preset,
    train_sizes: Sequence[int],
    folder: Path,
    today: date,
    known_models: Sequence[str],
    count_tokens: TokenCounter | None = None,
) -> WrittenDataset:
    """Write a dataset's files into `folder` and report on them.

    Raises Invalid for what the model's limits do not allow, naming every limit.
    """
    placeholders = placeholder_labels(prepared) if preset.placeholders else PlaceholderLabels()
    preset = with_labels_of_train(preset, placeholders)
    written = write_examples(prepared, preset=preset, train_sizes=train_sizes, folder=folder)
    facts = dataset_facts(
        prepared,
        written,
        preset=preset,
        placeholders=placeholders,
        train_sizes=train_sizes,
        today=today,
        known_models=known_models,
    )
    _refuse(facts)
    report = build_report(
        prepared,
        written,
        facts=facts,
        preset=preset,
        train_sizes=train_sizes,
        calibration=_calibration(written, prepared.base_model.name, count_tokens),
    )
    return WrittenDataset(
        written=written,
        instruction=preset.instruction,
        report=report,
        sizes={split: len(rows) for split, rows in prepared.splits.items()},
        groups={
            split: len(group_sizes(prepared.keys, rows)) for split, rows in prepared.splits.items()
        },
    )


def _refuse(facts: DatasetFacts) -> None:
    errors = [each for each in dataset_findings(facts) if each.level is Level.ERROR]
    if errors:
        faults = [Fault("/spec", each.code, each.message) for each in errors]
        raise Invalid(errors[0].message, code=errors[0].code, faults=faults)


def _calibration(written: WrittenFiles, model: str, counter: TokenCounter | None) -> Calibration:
    """Return what the provider's counts of a sample teach; without any, our own guess.

    If the provider cannot count, the preparation goes through and the report says so.
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
