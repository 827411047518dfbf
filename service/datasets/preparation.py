"""From rows to a split dataset and an account of every row. Pure."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from service.datasets.deduplication import NumberedDraft, deduplicate
from service.datasets.examples import Example, Split
from service.datasets.faults import DropReason, Drops, RowFaults
from service.datasets.formats.rows import SourceRow
from service.datasets.presets.preset import Draft, Preset, RowProblem
from service.datasets.schemas import (
    DatasetReport,
    DatasetWarning,
    Dropped,
    Groups,
    Lengths,
    PrepareSpec,
)
from service.datasets.splits import Splits, check_train_sizes, split_examples
from service.datasets.validation import cautions_about, check_drafts
from service.datasets.wording import example_id
from service.errors import Fault, Internal, Invalid


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a dataset is before it is written."""

    splits: Splits
    report: DatasetReport
    fingerprint: str


def prepare(rows: Iterable[SourceRow], *, preset: Preset, spec: PrepareSpec) -> Prepared:
    """Convert, deduplicate, split and check rows; the same rows and spec give the same dataset.

    Raises Invalid: `missing_column`, `no_rows`, what readers raise, `row_without_target` and
    others of `check_drafts`, `test_size_too_large`, `train_size_too_large`.
    """
    drops = Drops()
    drafts, source_rows = _convert(rows, preset=preset, columns=spec.columns, drops=drops)
    if source_rows == 0:
        raise Invalid("the source has no rows", code="no_rows")
    check_drafts(drafts)
    unique, duplicates = deduplicate(drafts)
    drops.add(DropReason.DUPLICATE, duplicates)
    splits = split_examples(
        [_example(row, draft) for row, draft in unique],
        seed=spec.seed,
        test_size=spec.test_size,
        validation_size=spec.validation_size,
        rows_per_group=preset.held_out_rows_per_group,
    )
    drops.add(DropReason.BEYOND_TEST_SIZE, [each.row for each in splits.beyond_test])
    drops.add(DropReason.BEYOND_VALIDATION_SIZE, [each.row for each in splits.beyond_validation])
    check_train_sizes(spec.train_sizes, splits)
    return Prepared(splits, _report(splits, drops, source_rows), _fingerprint(splits))


def _convert(
    rows: Iterable[SourceRow], *, preset: Preset, columns: Mapping[str, str], drops: Drops
) -> tuple[list[NumberedDraft], int]:
    drafts: list[NumberedDraft] = []
    faults = RowFaults()
    count = 0
    for row in rows:
        if count == 0:
            _check_columns(row, preset, columns)
        count += 1
        fields = _mapped(row, preset, columns)
        if fields is None:
            faults.add(row.number, "missing_column", "the row lacks a column the first row has")
            continue
        match preset.convert(fields):
            case Draft() as draft:
                drafts.append((row.number, draft))
            case RowProblem(code, message):
                faults.add(row.number, code, message)
            case DropReason() as reason:
                drops.add(reason, [row.number])
    faults.finish()
    return drafts, count


def _check_columns(row: SourceRow, preset: Preset, columns: Mapping[str, str]) -> None:
    """Raise Invalid `missing_column` that names the columns there are."""
    wanted = {name: columns.get(name, name) for name in preset.columns}
    known = ", ".join(name[:64] for name in list(row.fields)[:50])
    faults = [
        Fault(
            f"{preset.pointer}/{name}" if preset.pointer == "/spec/columns" else preset.pointer,
            "missing_column",
            f"no column {column[:64]!r}; known: {known}",
        )
        for name, column in wanted.items()
        if column not in row.fields
    ]
    if faults:
        raise Invalid(faults[0].message, code="missing_column", faults=faults)


def _mapped(row: SourceRow, preset: Preset, columns: Mapping[str, str]) -> Mapping[str, str] | None:
    fields = {name: row.fields.get(columns.get(name, name)) for name in preset.columns}
    optional = {
        name: row.fields.get(columns.get(name, name), "") for name in preset.optional_columns
    }
    present = {name: value for name, value in fields.items() if value is not None}
    return MappingProxyType(present | optional) if len(present) == len(fields) else None


def _example(row: int, draft: Draft) -> Example:
    return Example(
        id=example_id(draft.text, draft.target),
        text=draft.text,
        target=draft.target,
        references=draft.references,
        group=draft.group,
        row=row,
        label=draft.label,
    )


def _report(splits: Splits, drops: Drops, source_rows: int) -> DatasetReport:
    examples = [example for _, _, example in numbered(splits)]
    if source_rows != len(examples) + drops.total:
        raise Internal(f"{source_rows} rows came, {len(examples)} stay, {drops.total} were dropped")
    groups = Counter(example.group for example in examples)
    return DatasetReport(
        source_rows=source_rows,
        kept=len(examples),
        duplicates=drops.counts.get(DropReason.DUPLICATE, 0),
        dropped={
            reason.value: Dropped(rows=count, first_rows=drops.first_rows[reason])
            for reason, count in drops.counts.items()
        },
        groups=Groups(count=len(groups), largest=max(groups.values())),
        lengths={
            "text": _lengths([len(example.text) for example in examples]),
            "target": _lengths([len(example.target) for example in examples]),
        },
        warnings=[
            DatasetWarning(code=each.code, message=each.message) for each in cautions_about(splits)
        ],
    )


def _lengths(values: Sequence[int]) -> Lengths:
    """Return percentiles by nearest rank: each is a length that occurs."""
    ordered = sorted(values)
    p50, p95, p99 = (ordered[math.ceil(len(ordered) * share) - 1] for share in (0.5, 0.95, 0.99))
    return Lengths(p50=p50, p95=p95, p99=p99, max=ordered[-1])


def numbered(splits: Splits) -> Iterator[tuple[Split, int, Example]]:
    """Yield split, position and example in the order they are stored."""
    for split in Split:
        for position, example in enumerate(splits.of(split)):
            yield split, position, example


def _fingerprint(splits: Splits) -> str:
    """Return the SHA-256 over all examples in order, whatever the row numbers were."""
    digest = hashlib.sha256()
    for split, _, example in numbered(splits):
        parts = [
            split.value,
            example.id,
            example.text,
            example.target,
            list(example.references),
            example.group,
            example.label,
        ]
        digest.update(json.dumps(parts).encode() + b"\n")
    return digest.hexdigest()
