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
from typing import Any

import polars as pl

from service.datasets.chats import Turn
from service.datasets.examples import Split
from service.datasets.faults import DropReason, Drops
from service.datasets.keys import digest, keys_of
from service.datasets.near_duplicates import NearDuplicates
from service.datasets.presets.preset import Draft, Preset, RowProblem
from service.datasets.row_faults import FaultLog, RowFault
from service.datasets.rules.checking import RowChecks
from service.datasets.wording import example_id, fold

_BATCH_ROWS = 5000
SCHEMA = ("row", "id", "text", "target", "references", "group", "label", "system", "history")
_DRAFTED = (*SCHEMA, "given", "identity", "identity_target")
# What the column that gives a row's split may say, and the number that stands for it in keys.
GIVEN = {"train": 1, "validation": 2, "test": 3, "shot": 4}


@dataclass(frozen=True, slots=True)
class DraftPlan:
    """What drafting needs of a spec; `given` names the column that says a row's split."""

    preset: Preset
    columns: Mapping[str, str]
    seed: int
    near_threshold: float | None
    given: str | None = None
    max_characters: int | None = None


@dataclass(frozen=True, slots=True)
class Drafts:
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


@dataclass(frozen=True, slots=True)
class _Row:
    """`values` go by the preset's names; `given` numbers the split that is given, 0 for none."""

    number: int
    values: Mapping[str, str]
    given: int


class Drafting:
    """Takes staged files one after the other; `finish` tells what came of them."""

    def __init__(self, plan: DraftPlan, folder: Path, *, checks: RowChecks) -> None:
        self._plan = plan
        self._path = folder / "drafts.parquet"
        self._keys: list[pl.DataFrame] = []
        self._writer: Any = None
        self._source_rows = 0
        self._digest = lru_cache(maxsize=65536)(lambda text: digest(plan.seed, text))
        self._near: NearDuplicates | None = None
        if plan.near_threshold is not None:
            self._near = NearDuplicates(folder, threshold=plan.near_threshold)
        self._log, self._drops, self._checks = FaultLog(), Drops(), checks

    def add(self, path: Path, *, split: Split | None = None) -> Iterator[int]:
        """Draft the rows of a staged file, yielding now and then how many there were so far.

        `split` is where all of them belong; None leaves that to their column or to the split.
        """
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            wanted = ["row", *self._wanted(file.schema_arrow.names)]
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
                self._draft(batch.to_pydict(), split)
                self._source_rows += batch.num_rows
                yield self._source_rows

    def take_faults(self) -> list[RowFault]:
        """Return what is wrong with the rows since the last call."""
        log, self._log = self._log, FaultLog()
        return [*log.faults, *self._checks.take_faults()]

    def close(self) -> None:
        """Close what is open; the drafts' near-duplicates can be asked until then."""
        if self._writer is not None:
            self._writer.close()
        if self._near is not None:
            self._near.close()

    def finish(self) -> Drafts:
        if self._writer is not None:
            self._writer.close()
        keys = pl.concat(self._keys, rechunk=True) if self._keys else pl.DataFrame()
        self._keys.clear()
        return Drafts(
            path=self._path,
            keys=keys,
            near=self._near,
            checks=self._checks,
            drops=self._drops,
        )

    def _wanted(self, names: Sequence[str]) -> list[str]:
        preset, columns = self._plan.preset, self._plan.columns
        asked = [columns.get(name, name) for name in (*preset.columns, *preset.optional_columns)]
        return [name for name in dict.fromkeys([*asked, self._plan.given or ""]) if name in names]

    def _draft(self, columns: Mapping[str, Sequence[Any]], split: Split | None) -> None:
        batch = _Batch()
        for row in self._rows(columns, split):
            match self._plan.preset.convert(row.values):
                case Draft() as draft:
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
        needed = {name: columns[renamed.get(name, name)] for name in preset.columns}
        optional = {
            name: columns.get(renamed.get(name, name), absent) for name in preset.optional_columns
        }
        given = columns.get(self._plan.given or "", absent)
        for at, number in enumerate(columns["row"]):
            values = {name: column[at] for name, column in needed.items()}
            if None in values.values():
                self._log_absent(number, values)
                continue
            values |= {name: column[at] or "" for name, column in optional.items()}
            yield _Row(number, values, self._given(number, given[at], split))

    def _log_absent(self, number: int, values: Mapping[str, str | None]) -> None:
        name = next(name for name, value in values.items() if value is None)
        message = "the row lacks a column that the others have; fill it or leave the row out"
        self._log.add(number, "missing_column", message, column=self._plan.columns.get(name, name))

    def _given(self, number: int, cell: str | None, split: Split | None) -> int:
        if split is not None:
            return GIVEN[split.value]
        if self._plan.given is None:
            return 0
        found = GIVEN.get(fold(cell or ""), 0)
        if not found:
            message = f"the split is none of {', '.join(GIVEN)}"
            self._log.add(number, "unknown_split", message, column=self._plan.given)
        return found

    def _keep(self, row: _Row, draft: Draft, batch: _Batch) -> None:
        limit = self._plan.max_characters
        if limit is not None and len(draft.text) + len(draft.target) > limit:
            self._drops.add(DropReason.OVER_LONG, [row.number])
            return
        try:
            self._note(row, draft, batch)
        except UnicodeEncodeError:
            self._log.add(row.number, "invalid_unicode", "the row holds half of a surrogate pair")

    def _note(self, row: _Row, draft: Draft, batch: _Batch) -> None:
        name = example_id(draft.text, draft.target)
        spelling = "\0".join((draft.text, draft.target, *draft.references, draft.group))
        batch.digests += (
            self._digest(draft.group),
            digest(self._plan.seed, name),
            self._digest(draft.label),
            digest(0, spelling),
        )
        batch.compared.append(fold(" ".join([*(turn.text for turn in draft.history), draft.text])))
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
        from pyarrow import parquet

        columns = dict(zip(_DRAFTED, zip(*batch.rows, strict=True), strict=True))
        table = _table(columns)
        frame = pl.DataFrame(table)
        self._checks.check(frame)
        self._keys.append(keys_of(frame, batch.digests, batch.compared))
        if self._near is not None:
            self._near.add(batch.compared)
        table = table.select(list(SCHEMA))
        if self._writer is None:
            self._writer = parquet.ParquetWriter(self._path, table.schema, compression="lz4")
        self._writer.write_table(table)


def _as_json(history: Sequence[Turn]) -> str:
    if not history:
        return ""
    return json.dumps([asdict(turn) for turn in history], ensure_ascii=False)


def _table(columns: Mapping[str, Sequence[Any]]) -> Any:
    """Return an Arrow table: Polars would take lists of texts one by one."""
    import pyarrow as pa

    types = {"references": pa.list_(pa.string()), "row": pa.int64(), "given": pa.uint8()}
    arrays = [pa.array(values, types.get(name, pa.string())) for name, values in columns.items()]
    return pa.table(arrays, names=list(columns))
