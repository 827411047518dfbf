"""Rows in are rows kept, rows dropped by reason, or rows named with their fault: none is lost."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.datasets.formats.options import FormatName
from service.datasets.formats.read_context import IngestionLimits
from service.datasets.ingestion.staged_rows import StagedRows, stage_file
from service.datasets.preparation import SplitDataset, prepare
from service.datasets.refusals import Staged
from service.datasets.sources.source import SourceFile
from service.errors import Invalid
from tests.service.datasets.broken.generator import LAYOUTS, Layout
from tests.service.datasets.broken.kinds import Kind
from tests.service.datasets.broken.test_broken import MODEL, spec_of

SOUND = Kind("")
FIRST_SOUND = 40  # so that the splits have their rows, whatever the others are
# A Parquet file is read by a process of its own, which takes its time to start.
EXAMPLES = {"parquet": 2, "jsonl": 12, "json": 12, "csv": 12, "tsv": 12}


@st.composite
def encoded_rows(draw: st.DrawFn, layout: Layout, *, faulty: bool) -> list[tuple[int, str]]:
    """Draw rows by the number they are made of, so that some repeat, and the kind planted."""
    more = draw(st.lists(st.integers(0, 60), min_size=1, max_size=25))
    kinds = st.sampled_from(sorted(layout.kinds)) if faulty else st.just("")
    planted = draw(st.dictionaries(st.integers(0, len(more) - 1), kinds, max_size=12))
    rest = [(number, planted.get(place, "")) for place, number in enumerate(more)]
    return [*((number, "") for number in range(FIRST_SOUND)), *rest]


def staged_in(folder: Path, layout: Layout, rows: list[tuple[int, str]]) -> StagedRows:
    kinds = [layout.kinds[name] if name else SOUND for _, name in rows]
    encoded = [
        (kind.change(layout.row(number)), kind)
        for (number, _), kind in zip(rows, kinds, strict=True)
    ]
    file = SourceFile([layout.encode(encoded)], FormatName(layout.format_name))
    return stage_file(file, folder=folder, limits=IngestionLimits())


def prepared(staged: StagedRows, layout: Layout, folder: Path, near: float | None) -> SplitDataset:
    spec = spec_of(layout).model_copy(update={"near_duplicates": near})
    return prepare(
        [Staged(staged)], preset=spec.make_preset(), spec=spec, folder=folder, base_model=MODEL
    )


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_row_is_kept_or_dropped_or_named(layout: Layout) -> None:
    @settings(deadline=None, max_examples=EXAMPLES[layout.format_name])
    @given(data=st.data(), faulty=st.booleans(), near=st.sampled_from([None, 0.85]))
    def check(data: st.DataObject, *, faulty: bool, near: float | None) -> None:
        rows = data.draw(encoded_rows(layout, faulty=faulty))
        planted = {
            (f"row {place}", layout.kinds[name].code)
            for place, (_, name) in enumerate(rows, start=1)
            if name
        }
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            staged = staged_in(folder, layout, rows)
            assert staged.rows + sum(staged.fault_counts.values()) == staged.source_rows
            assert staged.source_rows == len(rows)
            if planted:
                with pytest.raises(Invalid) as raised:
                    prepared(staged, layout, folder, near)
                named = {(fault.pointer, fault.code) for fault in raised.value.faults}
                assert named == planted
                return
            found = prepared(staged, layout, folder, near)
        dropped = found.converted.drops
        assert found.kept + dropped.total == found.source_rows == len(rows)
        assert sum(dropped.counts.values()) == dropped.total

    check()


def test_rows_after_any_fault_keep_their_numbers() -> None:
    """Every kind of every text layout stands once before a fault whose row must be right."""
    for layout in LAYOUTS:
        if layout.format_name == "parquet":
            continue
        names = sorted(layout.kinds)
        random.Random(layout.name).shuffle(names)  # noqa: S311  an order, nothing secret
        rows = [(number, "") for number in range(3)]
        for at, name in enumerate(names):
            rows += [(100 + at, name), (200 + at, "")]
        with tempfile.TemporaryDirectory() as folder:
            staged = staged_in(Path(folder), layout, rows)
        faulty = {fault.row for fault in staged.faults}
        assert faulty <= {place for place, (_, name) in enumerate(rows, start=1) if name}
        assert staged.source_rows == len(rows), layout.name
