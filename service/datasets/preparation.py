"""From staged files to split rows and a count of every row; see `row_conversion` for the stages."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.catalogue.catalogue import Catalogue
from service.catalogue.entry import ModelEntry
from service.datasets.cleaning.deduplication import (
    ONLY_FOR_DUPLICATES,
    conflicting_pairs,
    first_of_each,
)
from service.datasets.cleaning.similarity_index import ONLY_FOR_SPLITS, SimilarityIndex
from service.datasets.conversion.converted_rows import ConvertedRows, ConvertedRowsWriter
from service.datasets.conversion.row_conversion import ConversionPlan, RowConverter
from service.datasets.conversion.row_keys import PAIR
from service.datasets.drops import DropReason
from service.datasets.examples import Split
from service.datasets.ports import TokenCounter
from service.datasets.presets.preset import Preset
from service.datasets.refusals import (
    ConvertedSource,
    Staged,
    check_sources,
    no_usable_row,
    refuse_rows,
    row_name,
)
from service.datasets.schemas import PrepareSpec
from service.datasets.sources.source import SourceAccess
from service.datasets.splitting.leakage import FoundLeaks, find_leaks, refuse_leaks
from service.datasets.splitting.size_search import SizeSearch
from service.datasets.splitting.split_assignment import (
    Sizes,
    SplitAssignment,
    cluster_groups,
    separate_systems,
)
from service.datasets.validation.row_checks import RowChecks
from service.datasets.validation.row_rules import (
    ROW_RULES,
    answer_outside_context,
    over_token_limit,
)
from service.errors import Internal
from service.jobs.ports import JobRun

Rows = NDArray[np.int64]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class PrepareRun:
    """What one run of a `prepare` job works with.

    The limits of `default_model` apply if the spec names no model.
    """

    job: JobRun
    spec: PrepareSpec
    preset: Preset
    access: SourceAccess
    catalogue: Catalogue
    default_model: str = ""
    count_tokens: TokenCounter | None = None

    @property
    def base_model(self) -> ModelEntry:
        return self.catalogue.entry(self.spec.model or self.default_model)

    def progress(self, stage: str, *, total: int | None = None) -> Callable[[int], None]:
        """Return a callback that reports the rows so far and raises if the job must stop."""

        def progress(rows: int) -> None:
            self.job.check()
            self.job.report(rows, total, unit="items", stage=stage)

        return progress


@dataclass(frozen=True, slots=True)
class SplitDataset:
    """Where every row belongs, before anything is written.

    `groups` names, for each example, the example whose group it has.
    """

    converted: ConvertedRows
    assignment: SplitAssignment
    keys: pl.DataFrame
    groups: Rows | None
    leaks: FoundLeaks
    source_rows: int
    base_model: ModelEntry
    sizes: Sizes
    assumed_encodings: Sequence[str] = ()

    @property
    def splits(self) -> Mapping[Split, Rows]:
        return self.assignment.splits

    @property
    def kept(self) -> int:
        return sum(map(len, self.splits.values()))


def prepare(
    staged: Sequence[Staged],
    *,
    preset: Preset,
    spec: PrepareSpec,
    folder: Path,
    base_model: ModelEntry,
    progress: Progress = lambda _: None,
) -> SplitDataset:
    """Convert, check, deduplicate and split rows; the same rows and spec give the same dataset.

    Working files are left in `folder`. `progress` is called with the rows so far. Raises what
    `check_sources` and `split_rows` raise.
    """
    check_sources(staged, preset=preset, spec=spec)
    plan = conversion_plan(preset, spec)
    with closing(open_writer(folder, preset=preset, spec=spec, base_model=base_model)) as rows:
        converter = RowConverter(plan, rows)
        sources = []
        for each in staged:
            for count in converter.convert(each.rows.path, split=each.split):
                progress(count)
            faults = [*each.rows.faults, *rows.take_faults()]
            sources.append(
                ConvertedSource(
                    each.split, each.rows.source_rows, faults, each.rows.assumed_encodings
                )
            )
        return split_rows(rows, sources, preset=preset, spec=spec, base_model=base_model)


def split_rows(
    rows: ConvertedRowsWriter,
    sources: Sequence[ConvertedSource],
    *,
    preset: Preset,
    spec: PrepareSpec,
    base_model: ModelEntry,
) -> SplitDataset:
    """Find duplicates, splits and leaks; the result is of use until `rows` is closed.

    Everything wrong with rows is raised together. Raises Invalid: what rules and readers find,
    `no_rows`, `test_size_too_large`, `train_size_too_large`, `leakage`.
    """
    refuse_rows(sources, spec=spec)
    converted = rows.finish()
    if not converted.keys.height:
        raise no_usable_row(converted.drops)
    kept = _drop_conflicts(converted, _drop_duplicates(converted))
    if not len(kept):
        raise no_usable_row(converted.drops)
    done = converted.keys.drop(*ONLY_FOR_DUPLICATES, *PAIR, strict=False)
    converted = replace(converted, keys=done)
    index, groups = _similarity_index(converted, kept, preset)
    sizes = _sizes(preset, spec)
    search = SizeSearch(
        kept,
        index,
        spec.train_sizes,
        preset.drops_near_duplicates,
        train_order=spec.train_order,
    )
    assignment = search.assign(sizes)
    leaks = find_leaks(assignment.splits, index)
    if not spec.allow_leakage:
        refuse_leaks(leaks, name=lambda split, row: row_name(row, split, spec))
    if converted.near is not None:
        converted.near.close()
    source_rows = sum(each.source_rows for each in sources)
    _account(converted, assignment, source_rows)
    assumed = sorted({name for each in sources for name in each.assumed_encodings})
    keys = index.keys.drop(ONLY_FOR_SPLITS)
    converted = replace(converted, keys=keys)
    return SplitDataset(
        converted, assignment, keys, groups, leaks, source_rows, base_model, sizes, assumed
    )


def _sizes(preset: Preset, spec: PrepareSpec) -> Sizes:
    return Sizes(
        test=spec.test_size,
        validation=spec.validation_size,
        rows_per_group=preset.held_out_rows_per_group,
        test_groups=preset.test_groups,
    )


def conversion_plan(preset: Preset, spec: PrepareSpec) -> ConversionPlan:
    return ConversionPlan(
        preset=preset,
        columns=spec.columns,
        seed=spec.seed,
        given=spec.split_column,
        max_characters=spec.max_characters,
    )


def open_writer(
    folder: Path, *, preset: Preset, spec: PrepareSpec, base_model: ModelEntry
) -> ConvertedRowsWriter:
    """Return a writer whose row rules apply the limits of the base model; close it."""
    copied = []
    if preset.copied is not None:
        how = preset.copied
        copied = [answer_outside_context(lowercase=how.lowercase, no_answer=how.no_answer)]
    most = base_model.limits.tokens_per_example
    fits = over_token_limit(most, instruction=preset.instruction)
    checks = RowChecks((*ROW_RULES, fits, *copied))
    return ConvertedRowsWriter(folder, near_threshold=spec.near_duplicates, checks=checks)


def _drop_duplicates(converted: ConvertedRows) -> Rows:
    """Return the rows that are kept, and note the others."""
    kept = np.flatnonzero(first_of_each(converted.keys))
    numbers = converted.keys["row"].to_numpy()
    converted.drops.add(DropReason.DUPLICATE, np.delete(numbers, kept).tolist())
    return kept


def _drop_conflicts(converted: ConvertedRows, kept: Rows) -> Rows:
    """Return the rows that are kept, and note those whose preferences contradict each other."""
    if not {*PAIR} <= {*converted.keys.columns}:
        return kept
    conflicts = conflicting_pairs(converted.keys.select(PAIR)[kept])
    numbers = converted.keys["row"].to_numpy()[kept]
    converted.drops.add(DropReason.CONFLICTING_PREFERENCE, numbers[conflicts].tolist())
    return kept[~conflicts]


def _similarity_index(
    converted: ConvertedRows, kept: Rows, preset: Preset
) -> tuple[SimilarityIndex, Rows | None]:
    """Return the index of the rows that are kept, and the example whose group each example has."""
    if converted.near is None:
        clusters = np.arange(converted.keys.height)
    else:
        by_id = np.argsort(converted.keys["id_high"].to_numpy()[kept], kind="stable")
        clusters = converted.near.clusters(kept[by_id], kinds=converted.keys["system"].to_numpy())
    groups: Rows | None = None
    keys = converted.keys
    if preset.near_groups:
        keys, groups = cluster_groups(separate_systems(keys), clusters)
    return (
        SimilarityIndex(keys, converted.near, clusters, groups=not preset.near_groups),
        groups,
    )


def _account(converted: ConvertedRows, assignment: SplitAssignment, source_rows: int) -> None:
    """Note every row that is in no split; raise Internal if the counts do not add up."""
    numbers = converted.keys["row"].to_numpy()
    for reason, rows in assignment.dropped.items():
        converted.drops.add(reason, numbers[rows].tolist())
    kept = sum(map(len, assignment.splits.values()))
    if source_rows != kept + converted.drops.total:
        raise Internal(
            f"{source_rows} rows came, {kept} stay, {converted.drops.total} were dropped"
        )
