"""From staged rows to examples on disk, and a small table of keys that the later stages work on.

The stages of a preparation, each columnar, none holding the texts of all rows:

    staged Parquet --row_conversion--> examples (texts), keys (hashes and lengths), sketches
    keys --deduplication--> kept rows       sketches --near_duplicates--> clusters
    keys, clusters --split_assignment--> split and position of each row
    keys, clusters --leakage--> rows to leave out, pairs that leak
    examples, positions --external_sort--> examples in stored order
    examples in stored order --artifacts--> tuning files, manifest, report

An example is identified by its index in the file; `keys` has one row for each, in that order.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from service.datasets.conversion.converted_rows import ConvertedRowsWriter, bounded_batches
from service.datasets.conversion.row_keys import PAIR, digest, rejected_bytes, row_keys
from service.datasets.drops import DropReason
from service.datasets.examples import SPLIT_CODES, Split, Turn, composed, example_id, fold
from service.datasets.formats.arrow_arrays import number_array, text_array, text_lists
from service.datasets.presets.preset import ConvertedExample, Preset, RowProblem

_BATCH_CHARACTERS = 16 << 20  # templates and presets may say a column many times
_DIGESTS_KEPT = 1000  # of groups and labels, which may be long texts
SCHEMA = ("row", "id", "text", "target", "references", "group", "label", "system", "history",
          "rejected")  # fmt: skip
_CONVERTED = (*SCHEMA, "given", "identity", "identity_target")
_NUMBERS = {"row": np.int64, "given": np.uint8}
_NO_TEXTS = (*_NUMBERS, "references")


@dataclass(frozen=True, slots=True)
class ConversionPlan:
    """What conversion needs of a spec; `given` names the column that says a row's split."""

    preset: Preset
    columns: Mapping[str, str]
    seed: int
    given: str | None = None
    max_characters: int | None = None


@dataclass(slots=True)
class _Batch:
    """The rows of one batch that became examples."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    compared: list[str] = field(default_factory=list)
    other_groups: list[int] = field(default_factory=list)
    pairs: list[tuple[int, int]] = field(default_factory=list)
    characters: int = 0


class _Row(NamedTuple):
    """`values` have the preset's names; `given` is the code of the split that is given, or 0."""

    number: int
    values: Mapping[str, str]
    given: int


class RowConverter:
    """Converts staged files one after the other; what it makes is collected in `rows`."""

    def __init__(self, plan: ConversionPlan, rows: ConvertedRowsWriter) -> None:
        self._plan = plan
        self._rows = rows
        self._source_rows = 0
        self._digest = lru_cache(maxsize=_DIGESTS_KEPT)(lambda text: digest(plan.seed, text))

    def convert(self, path: Path, *, split: Split | None = None) -> Iterator[int]:
        """Convert a staged file; yield the number of source rows so far after each batch.

        `split` is where all of them belong; None leaves that to their column or to the split.
        """
        from pyarrow import parquet

        with parquet.ParquetFile(path, pre_buffer=False) as file:
            names = ["row", *columns_read(self._plan, file.schema_arrow.names)]
            for batch in bounded_batches(file, names):
                self._convert(batch.to_pydict(), split)
                self._source_rows += batch.num_rows
                yield self._source_rows

    def _convert(self, columns: Mapping[str, Sequence[Any]], split: Split | None) -> None:
        batch = _Batch()
        for row in self._complete_rows(columns, split):
            match self._plan.preset.convert(row.values):
                case ConvertedExample() as example:
                    self._add(row, example, batch)
                    if batch.characters > _BATCH_CHARACTERS:
                        self._write(batch)
                        batch = _Batch()
                case RowProblem(code, message):
                    self._rows.log.add(row.number, code, message)
                case DropReason() as reason:
                    self._rows.drops.add(reason, [row.number])
        if batch.rows:
            self._write(batch)

    def _complete_rows(
        self, columns: Mapping[str, Sequence[Any]], split: Split | None
    ) -> Iterator[_Row]:
        """Yield the rows that have all columns the preset needs; note the others as faults."""
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
        self._rows.log.add(
            number, "missing_column", message, column=self._plan.columns.get(name, name)
        )

    def _given(self, number: int, cell: str | None, split: Split | None) -> int:
        if split is not None:
            return SPLIT_CODES[split.value]
        if self._plan.given is None:
            return 0
        found = SPLIT_CODES.get(fold(cell or ""), 0)
        if not found:
            message = f"the split is none of {', '.join(SPLIT_CODES)}"
            self._rows.log.add(number, "unknown_split", message, column=self._plan.given)
        return found

    def _add(self, row: _Row, example: ConvertedExample, batch: _Batch) -> None:
        limit = self._plan.max_characters
        answers = len(example.target) + len(example.rejected)
        if limit is not None and len(example.text) + answers > limit:
            self._rows.drops.add(DropReason.OVER_LONG, [row.number])
            return
        try:
            self._append(row, example, batch)
        except UnicodeEncodeError:
            self._rows.log.add(
                row.number, "invalid_unicode", "the row holds half of a surrogate pair"
            )

    def _append(self, row: _Row, example: ConvertedExample, batch: _Batch) -> None:
        history = _as_json(example.history)
        name = example_id(
            example.text,
            example.target,
            system=example.system,
            history=history,
            rejected=example.rejected,
        )
        spelling = "\0".join((example.text, example.target, *example.references, example.group))
        batch.digests += (
            self._digest(example.group),
            digest(self._plan.seed, name),
            self._digest(example.label),
            digest(0, spelling),
        )
        question = example.text
        if example.history:
            question = " ".join([*(turn.text for turn in example.history), question])
        batch.compared.append(fold(question))
        batch.characters += len(question) + len(example.target) + len(example.rejected)
        other = self._digest(example.other_group)[:8] if example.other_group else b""
        batch.other_groups.append(int.from_bytes(other))
        if example.rejected:
            batch.pairs.append(_pair_hashes(example))
        batch.rows.append(
            (
                row.number,
                name,
                example.text,
                example.target,
                list(example.references),
                example.group,
                example.label,
                example.system,
                history,
                example.rejected,
                row.given,
                *map(composed, example.identity),
            )
        )

    def _write(self, batch: _Batch) -> None:
        columns = dict(zip(_CONVERTED, zip(*batch.rows, strict=True), strict=True))
        table = _table(columns)
        frame = pl.DataFrame(table)
        self._rows.checks.check(frame)
        masks = self._plan.preset.placeholders
        keys = row_keys(frame, batch.digests, batch.compared, masks=masks)
        others = pl.Series("other_group", batch.other_groups, pl.UInt64)
        keys = keys.with_columns(others)
        if self._plan.preset.pairs:
            answers = pl.DataFrame(batch.pairs, dict.fromkeys(PAIR, pl.UInt64), orient="row")
            keys = keys.with_columns(*answers, rejected_bytes(frame))
        self._rows.keys.append(keys)
        if self._rows.near is not None:
            self._rows.near.add(batch.compared)
        self._rows.append(table.select(list(SCHEMA)))


def _pair_hashes(example: ConvertedExample) -> tuple[int, int]:
    """Return what stands for the prompt with the chosen, and with the rejected answer."""
    prompt = composed(example.identity[0])
    chosen, rejected = (
        int.from_bytes(digest(0, json.dumps([prompt, composed(answer)]))[:8])
        for answer in (example.target, example.rejected)
    )
    return chosen, rejected


def columns_read(plan: ConversionPlan, names: Sequence[str]) -> list[str]:
    """Return those of a source's columns that its examples are made of."""
    return [name for name in needed_columns(plan) if name in names]


def needed_columns(plan: ConversionPlan) -> list[str]:
    """Return the columns that examples are made of, as the source may call them."""
    preset, columns = plan.preset, plan.columns
    used = [columns.get(name, name) for name in (*preset.columns, *preset.optional_columns)]
    return list(filter(None, dict.fromkeys([*used, plan.given or ""])))


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
