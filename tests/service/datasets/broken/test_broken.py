"""Two hundred broken datasets: every planted fault is reported by its row, and nothing else."""

from pathlib import Path

import pytest

from service.catalogue.catalogue import load_catalogue
from service.datasets.formats.options import FormatName
from service.datasets.formats.read_context import IngestionLimits
from service.datasets.ingestion.staged_rows import stage_file
from service.datasets.preparation import prepare
from service.datasets.presets.preset import Preset
from service.datasets.presets.registry import choose_preset
from service.datasets.refusals import Staged
from service.datasets.schemas import PrepareSpec
from service.datasets.sources.source import SourceFile
from service.errors import Invalid
from tests.service.datasets.broken.generator import LAYOUTS, Layout, RuleViolations, broken_dataset
from tests.service.datasets.broken.kinds import Kind

# A Parquet file is read by a process of its own, which takes its time to start.
SEEDS = {layout.name: range(2 if layout.format_name == "parquet" else 20) for layout in LAYOUTS}
MODEL = load_catalogue().entry("")
SOURCE = {"type": "gs", "uri": "gs://bucket/rows.jsonl"}


def spec_of(layout: Layout) -> PrepareSpec:
    return PrepareSpec.model_validate(
        {"source": SOURCE, "train_sizes": [2], "test_size": 2} | dict(layout.spec)
    )


def preset_of(spec: PrepareSpec) -> Preset:
    return choose_preset(
        spec.preset,
        template=spec.template,
        columns=spec.columns,
        form=spec.form,
        labels=spec.labels,
        target_schema=spec.target_schema,
    )


def reported(broken: RuleViolations, folder: Path) -> set[tuple[str, str]]:
    """Return what preparing the dataset reports. No store is at hand: nothing can be kept."""
    spec = spec_of(broken.layout)
    file = SourceFile([broken.data], FormatName(broken.layout.format_name))
    rows = stage_file(file, folder=folder, limits=IngestionLimits())
    with pytest.raises(Invalid) as raised:
        prepare([Staged(rows)], preset=preset_of(spec), spec=spec, folder=folder, base_model=MODEL)
    assert all(len(fault.message) > 20 for fault in raised.value.faults)
    return {(fault.pointer, fault.code) for fault in raised.value.faults}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_planted_fault_is_reported_with_its_row(layout: Layout, tmp_path: Path) -> None:
    for seed in SEEDS[layout.name]:
        broken = broken_dataset(layout, seed)
        folder = tmp_path / str(seed)
        folder.mkdir()

        assert reported(broken, folder) == broken.planted, sorted(broken.names)


def test_two_hundred_datasets_hold_every_kind_of_fault_there_is() -> None:
    planted = {
        name
        for layout in LAYOUTS
        for seed in SEEDS[layout.name]
        for name in broken_dataset(layout, seed).names
    }

    assert sum(map(len, SEEDS.values())) >= 200
    assert planted == {name for layout in LAYOUTS for name in layout.kinds}
    assert len(planted) > 40


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_without_a_fault_the_same_rows_are_prepared(layout: Layout, tmp_path: Path) -> None:
    spec = spec_of(layout)
    data = layout.encode([(layout.row(number), Kind("")) for number in range(60)])
    file = SourceFile([data], FormatName(layout.format_name))

    rows = stage_file(file, folder=tmp_path, limits=IngestionLimits())
    prepared = prepare(
        [Staged(rows)], preset=preset_of(spec), spec=spec, folder=tmp_path, base_model=MODEL
    )

    assert (rows.rows, rows.faults) == (60, ())
    assert prepared.source_rows == 60
