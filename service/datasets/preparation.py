"""From staged files to a split dataset and an account of every row; see `drafting` for stages."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.datasets.deduplication import first_of_each
from service.datasets.drafting import Drafting, DraftPlan, Drafts
from service.datasets.examples import Split
from service.datasets.faults import FAULTS_SHOWN, DropReason
from service.datasets.leakage import Found, Likeness, find_leaks, refuse_leaks
from service.datasets.membership import Membership, Sizes, assign_rows, cluster_groups
from service.datasets.presets.preset import Preset
from service.datasets.row_faults import RowFault
from service.datasets.rules.checking import RowChecks
from service.datasets.rules.limits import ModelLimits, limits_of_model
from service.datasets.rules.rows import ROW_RULES, answer_outside_context, over_token_limit
from service.datasets.rules.rule import RowRule
from service.datasets.schemas import PrepareSpec
from service.datasets.splits import check_train_sizes
from service.datasets.staging.staged import StagedRows
from service.errors import Fault, Internal, Invalid

Rows = NDArray[np.int64]
Watch = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Staged:
    """A staged source; `split` is where all of its rows belong, None the main source."""

    rows: StagedRows
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where every row belongs, before anything is written.

    `groups` names, for each draft, the draft whose group it has.
    """

    drafts: Drafts
    members: Membership
    keys: pl.DataFrame
    groups: Rows | None
    leaks: Found
    source_rows: int
    limits: ModelLimits

    @property
    def splits(self) -> Mapping[Split, Rows]:
        return self.members.splits

    @property
    def kept(self) -> int:
        return sum(map(len, self.splits.values()))


def prepare(
    staged: Sequence[Staged],
    *,
    preset: Preset,
    spec: PrepareSpec,
    folder: Path,
    watch: Watch = lambda _: None,
    model: str = "",
) -> Prepared:
    """Convert, check, deduplicate and split rows; the same rows and spec give the same dataset.

    Working files are left in `folder`. `watch` is told the rows so far. Everything wrong with
    rows is found in one pass and raised together. Raises Invalid: `missing_column`, `no_rows`,
    what rules and readers find, `test_size_too_large`, `train_size_too_large`, `leakage`.
    """
    if not any(each.rows.source_rows for each in staged):
        raise Invalid("the source has no rows", code="no_rows")
    limits = limits_of_model(spec.model or model)
    checks = RowChecks(_rules(preset, limits))
    with closing(Drafting(_plan(preset, spec), folder, checks=checks)) as drafting:
        drafts = _draft(drafting, staged, preset, spec, watch)
        likeness, groups, kept = _likeness(drafts, preset)
        sizes = Sizes(spec.test_size, spec.validation_size, preset.held_out_rows_per_group)
        copies = preset.drops_near_duplicates
        members = assign_rows(kept, likeness, sizes=sizes, drops_copies=copies)
        leaks = find_leaks(members.splits, likeness)
    if not spec.allow_leakage:
        refuse_leaks(leaks, name=lambda split, row: _row_name(row, split, spec))
    counts = {split.value: len(rows) for split, rows in members.splits.items()}
    check_train_sizes(spec.train_sizes, **counts)
    source_rows = sum(each.rows.source_rows for each in staged)
    _account(drafts, members, source_rows)
    return Prepared(drafts, members, likeness.keys, groups, leaks, source_rows, limits)


def _draft(
    drafting: Drafting, staged: Sequence[Staged], preset: Preset, spec: PrepareSpec, watch: Watch
) -> Drafts:
    faults: list[Fault] = []
    for each in staged:
        _check_columns(each.rows, preset, spec)
        for rows in drafting.add(each.rows.path, split=each.split):
            watch(rows)
        found = [*each.rows.faults, *drafting.take_faults()]
        faults += (_fault(fault, each.split, spec) for fault in _shown(found))
    _refuse(faults)
    drafts = drafting.finish()
    if not drafts.keys.height:
        raise Invalid("no row of the source can be used", code="no_rows")
    return drafts


def _plan(preset: Preset, spec: PrepareSpec) -> DraftPlan:
    return DraftPlan(
        preset=preset,
        columns=spec.columns,
        seed=spec.seed,
        near_threshold=spec.near_duplicates,
        given=spec.split_column,
        max_characters=spec.max_characters,
    )


def _rules(preset: Preset, limits: ModelLimits) -> tuple[RowRule, ...]:
    copied = (answer_outside_context(),) if "context" in preset.columns else ()
    return (*ROW_RULES, over_token_limit(limits.tokens_per_example), *copied)


def _check_columns(staged: StagedRows, preset: Preset, spec: PrepareSpec) -> None:
    """Raise Invalid `missing_column` that names the columns there are."""
    wanted = {name: spec.columns.get(name, name) for name in preset.columns}
    in_columns = preset.pointer == "/spec/columns"
    pointers = {
        column: f"{preset.pointer}/{name}" if in_columns else preset.pointer
        for name, column in wanted.items()
    }
    if spec.split_column:
        pointers[spec.split_column] = "/spec/split_column"
    known = ", ".join(name[:64] for name in staged.columns[:50])
    faults = [
        Fault(pointer, "missing_column", f"no column {column[:64]!r}; known: {known}")
        for column, pointer in pointers.items()
        if column not in staged.columns
    ]
    if faults:
        raise Invalid(faults[0].message, code="missing_column", faults=faults)


# ----------------------------------------------------------------------------------- faults


def _shown(faults: Iterable[RowFault]) -> list[RowFault]:
    """Return the first twenty of each code, by row."""
    by_code: dict[str, list[RowFault]] = defaultdict(list)
    for fault in faults:
        by_code[fault.code].append(fault)
    shown = (sorted(some, key=lambda fault: fault.row)[:FAULTS_SHOWN] for some in by_code.values())
    return sorted(chain.from_iterable(shown), key=lambda fault: (fault.row, fault.code))


def _fault(fault: RowFault, split: Split | None, spec: PrepareSpec) -> Fault:
    where = f"{fault.field}: " if fault.field else ""
    return Fault(_row_name(fault.row, split, spec), fault.code, f"{where}{fault.message}")


def _row_name(row: int, split: Split | None, spec: PrepareSpec) -> str:
    """Return how a user knows a row: rows of a source of their own are named by it."""
    own = {Split.TEST: spec.test_source, Split.VALIDATION: spec.validation_source}
    return f"{split.value} row {row}" if split and own.get(split) else f"row {row}"


def _refuse(faults: Sequence[Fault]) -> None:
    if not faults:
        return
    first = faults[0]
    more = f"; {len(faults) - 1} more" if len(faults) > 1 else ""
    message = f"{first.pointer}: {first.message}{more}"
    raise Invalid(message, code=first.code, faults=faults)


# ------------------------------------------------------------------------------------- rows


def _likeness(drafts: Drafts, preset: Preset) -> tuple[Likeness, Rows | None, Rows]:
    """Return what tells that rows are alike, whose group each has, and the rows that stay."""
    kept = np.flatnonzero(first_of_each(drafts.keys))
    numbers = drafts.keys["row"].to_numpy()
    drafts.drops.add(DropReason.DUPLICATE, np.delete(numbers, kept).tolist())
    if drafts.near is None:
        clusters = np.arange(drafts.keys.height)
    else:
        by_id = np.argsort(drafts.keys["id_high"].to_numpy()[kept], kind="stable")
        clusters = drafts.near.clusters(kept[by_id])
    groups: Rows | None = None
    keys = drafts.keys
    if preset.near_groups:
        keys, groups = cluster_groups(keys, clusters)
    return Likeness(keys, drafts.near, clusters, groups=not preset.near_groups), groups, kept


def _account(drafts: Drafts, members: Membership, source_rows: int) -> None:
    """Note every row that is in no split; raise Internal when one has got lost."""
    numbers = drafts.keys["row"].to_numpy()
    for reason, rows in members.dropped.items():
        drafts.drops.add(reason, numbers[rows].tolist())
    kept = sum(map(len, members.splits.values()))
    if source_rows != kept + drafts.drops.total:
        raise Internal(f"{source_rows} rows came, {kept} stay, {drafts.drops.total} were dropped")
