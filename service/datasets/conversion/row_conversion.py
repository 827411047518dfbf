"""From staged rows to drafts on disk, and a small table of keys that the later stages work on.

The stages of a preparation, each columnar, none holding the texts of all rows:

    staged Parquet --drafting--> drafts.parquet (texts), keys (hashes and lengths), sketches
    keys --deduplication--> kept rows       sketches --near_duplicates--> clusters
    keys, clusters --splits--> split and position of each row
    keys, clusters --leakage--> rows to leave out, pairs that leak
    drafts.parquet, positions --arranging--> examples.parquet in stored order
    examples.parquet --artifacts--> tuning files, manifest, report

A row is known by its index in drafts.parquet; `keys` has one row for each, in that order.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from service.datasets.cleaning.near_duplicates import NearDuplicates
from service.datasets.conversion.converted_files import bounded_batches, converted_rows_writer
from service.datasets.conversion.row_keys import concat_keys, digest, row_keys
from service.datasets.drops import DropReason, Drops
from service.datasets.examples import SPLIT_CODES, Split, Turn, example_id, fold
from service.datasets.formats.arrow_arrays import number_array, text_array, text_lists
from service.datasets.presets.preset import ConvertedExample, Preset, RowProblem
from service.datasets.row_faults import FaultLog, RowFault
from service.datasets.validation.row_checks import RowChecks

_DIGESTS_KEPT = 1000  # of groups and labels, which may be long texts
SCHEMA = ("row", "id", "text", "target", "references", "group", "label", "system", "history")
_CONVERTED = (*SCHEMA, "given", "identity", "identity_target")
_NUMBERS = {"row": np.int64, "given": np.uint8}
_NO_TEXTS = (*_NUMBERS, "references")


@dataclass(frozen=True, slots=True)
class ConversionPlan:
    """What drafting needs of a spec; `given` names the column that says a row's split."""

    preset: Preset
    columns: Mapping[str, str]
    seed: int
    near_threshold: float | None
    given: str | None = None
    max_characters: int | None = None


@dataclass(frozen=True, slots=True)
class ConvertedRows:
    """What came of the rows; `checks` knows what is odd about some of them."""

    path: Path
    keys: pl.DataFrame
    near: NearDuplicates | None
    checks: RowChecks
    drops: Drops


@dataclass(slots=True)
class _Batch:
    """The rows of one batch that became drafts."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    compared: list[str] = field(default_factory=list)


class _Row(NamedTuple):
    """`values` go by the preset's names; `given` numbers the split that is given, 0 for none."""

    number: int
    values: Mapping[str, str]
    given: int


class RowConverter:
    """Takes staged files one after the other; `finish` tells what came of them."""

    def __init__(self, plan: ConversionPlan, folder: Path, *, checks: RowChecks) -> None:
        self._plan = plan
        self._path = folder / "drafts.parquet"
        self._keys: list[pl.DataFrame] = []
        self._writer: Any = None
        self._source_rows = 0
        self._digest = lru_cache(maxsize=_DIGESTS_KEPT)(lambda text: digest(plan.seed, text))
        self._near: NearDuplicates | None = None
        if plan.near_threshold is not None:
            self._near = NearDuplicates(folder, threshold=plan.near_threshold)
        self._log, self._drops, self._checks = FaultLog(), Drops(), checks

    def add(self, path: Path, *, split: Split | None = None) -> Iterator[int]:
        """Draft the rows of a staged file, yielding now and then how many there were so far.

        `split` is where all of them belong; None leaves that to their column or to the split.
        """
        from pyarrow import parquet

        with parquet.ParquetFile(path, pre_buffer=False) as file:
            wanted = ["row", *columns_read(self._plan, file.schema_arrow.names)]
            for batch in bounded_batches(file, wanted):
                self._convert(batch.to_pydict(), split)
                self._source_rows += batch.num_rows
                yield self._source_rows

    def take_faults(self) -> list[RowFault]:
        """Return what is wrong with the rows since the last call."""
        return [*self.take_log().faults, *self._checks.take_faults()]

    def take_log(self) -> FaultLog:
        """Return what rows could not be read as since the last call; not what checks found."""
        log, self._log = self._log, FaultLog()
        return log

    def close(self) -> None:
        """Close what is open; the drafts' near-duplicates can be asked until then."""
        if self._writer is not None:
            self._writer.close()
        if self._near is not None:
            self._near.close()

    def finish(self) -> ConvertedRows:
        if self._writer is not None:
            self._writer.close()
        return ConvertedRows(
            path=self._path,
            keys=concat_keys(self._keys),
            near=self._near,
            checks=self._checks,
            drops=self._drops,
        )

    def _convert(self, columns: Mapping[str, Sequence[Any]], split: Split | None) -> None:
        batch = _Batch()
        for row in self._rows(columns, split):
            match self._plan.preset.convert(row.values):
                case ConvertedExample() as draft:
                    self._keep(row, draft, batch)
                case RowProblem(code, message):
                    self._log.add(row.number, code, message)
                case DropReason() as reason:
                    self._drops.add(reason, [row.number])
        if batch.rows:
            self._write(batch)

    def _rows(self, columns: Mapping[str, Sequence[Any]], split: Split | None) -> Iterator[_Row]:
        """Yield the rows that have all columns the preset needs; log the others."""
        preset, renamed = self._plan.preset, self._plan.columns
        absent = [""] * len(columns["row"])
        names = (*preset.columns, *preset.optional_columns)
        cells = [columns[renamed.get(name, name)] for name in preset.columns]
        optional = (columns.get(renamed.get(n, n), absent) for n in preset.optional_columns)
        cells += ([cell or "" for cell in column] for column in optional)
        given = columns.get(self._plan.given or "", absent)
        rows = zip(columns["row"], given, zip(*cells, strict=True), strict=True)
        for number, cell, texts in rows:
            values = dict(zip(names, texts, strict=True))
            if None in texts:
                self._log_absent(number, values)
            else:
                yield _Row(number, values, self._given(number, cell, split))

    def _log_absent(self, number: int, values: Mapping[str, str | None]) -> None:
        name = next(name for name, value in values.items() if value is None)
        message = "the row lacks a column that the others have; fill it or leave the row out"
        self._log.add(number, "missing_column", message, column=self._plan.columns.get(name, name))

    def _given(self, number: int, cell: str | None, split: Split | None) -> int:
        if split is not None:
            return SPLIT_CODES[split.value]
        if self._plan.given is None:
            return 0
        found = SPLIT_CODES.get(fold(cell or ""), 0)
        if not found:
            message = f"the split is none of {', '.join(SPLIT_CODES)}"
            self._log.add(number, "unknown_split", message, column=self._plan.given)
        return found

    def _keep(self, row: _Row, draft: ConvertedExample, batch: _Batch) -> None:
        limit = self._plan.max_characters
        if limit is not None and len(draft.text) + len(draft.target) > limit:
            self._drops.add(DropReason.OVER_LONG, [row.number])
            return
        try:
            self._note(row, draft, batch)
        except UnicodeEncodeError:
            self._log.add(row.number, "invalid_unicode", "the row holds half of a surrogate pair")

    def _note(self, row: _Row, draft: ConvertedExample, batch: _Batch) -> None:
        name = example_id(draft.text, draft.target)
        spelling = "\0".join((draft.text, draft.target, *draft.references, draft.group))
        batch.digests += (
            self._digest(draft.group),
            digest(self._plan.seed, name),
            self._digest(draft.label),
            digest(0, spelling),
        )
        asked = " ".join([*(turn.text for turn in draft.history), draft.text])
        batch.compared.append(fold(asked))
        batch.rows.append(
            (
                row.number,
                name,
                draft.text,
                draft.target,
                list(draft.references),
                draft.group,
                draft.label,
                draft.system,
                _as_json(draft.history),
                row.given,
                *draft.identity,
            )
        )

    def _write(self, batch: _Batch) -> None:
        columns = dict(zip(_CONVERTED, zip(*batch.rows, strict=True), strict=True))
        table = _table(columns)
        frame = pl.DataFrame(table)
        self._checks.check(frame)
        self._keys.append(row_keys(frame, batch.digests, batch.compared))
        if self._near is not None:
            self._near.add(batch.compared)
        table = table.select(list(SCHEMA))
        if self._writer is None:
            self._writer = converted_rows_writer(self._path, table.schema)
        self._writer.write_table(table)


def columns_read(plan: ConversionPlan, names: Sequence[str]) -> list[str]:
    """Return those of a source's columns that its drafts are made of."""
    preset, columns = plan.preset, plan.columns
    asked = [columns.get(name, name) for name in (*preset.columns, *preset.optional_columns)]
    return [name for name in dict.fromkeys([*asked, plan.given or ""]) if name in names]


def _as_json(history: Sequence[Turn]) -> str:
    if not history:
        return ""
    return json.dumps([asdict(turn) for turn in history], ensure_ascii=False)


def _table(columns: Mapping[str, Sequence[Any]]) -> Any:
    import pyarrow as pa

    arrays = {name: text_array(columns[name]) for name in _CONVERTED if name not in _NO_TEXTS}
    arrays["references"] = text_lists(columns["references"])
    for name, kind in _NUMBERS.items():
        arrays[name] = number_array(np.array(columns[name], kind))
    return pa.table([arrays[name] for name in _CONVERTED], names=list(_CONVERTED))
