"""The columnar stages over rows at hand, and what came of them as plain values."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from service.catalogue.catalogue import Catalogue, load_catalogue
from service.datasets.conversion.row_keys import DIGESTS, digest
from service.datasets.examples import Example, Split, example_of
from service.datasets.formats.rows import SourceRow
from service.datasets.ingestion.staged_rows import stage_rows
from service.datasets.ports import TokenCounter
from service.datasets.preparation import prepare
from service.datasets.publishing.written_dataset import write_dataset
from service.datasets.refusals import Staged
from service.datasets.schemas import DatasetReport, PrepareSpec
from service.datasets.splitting.hash_split import hold_out_rows, nested_order, size_classes
from service.datasets.splitting.split_assignment import Sizes

TODAY = date(2026, 9, 1)
CATALOGUE = load_catalogue()


@dataclass(frozen=True, slots=True)
class Splits:
    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    beyond_validation: tuple[Example, ...] = ()
    beyond_test: tuple[Example, ...] = ()
    moves: bool = False

    @property
    def spare(self) -> tuple[Example, ...]:
        return (*self.beyond_test, *self.beyond_validation)


@dataclass(frozen=True, slots=True)
class Outcome:
    splits: Splits
    report: DatasetReport
    fingerprint: str
    lines: tuple[bytes, ...]


def prepare_rows(
    rows: Iterable[SourceRow],
    spec: PrepareSpec,
    *,
    given: dict[Split, Sequence[SourceRow]] | None = None,
    count_tokens: TokenCounter | None = None,
    model: str = "",
    catalogue: Catalogue = CATALOGUE,
) -> Outcome:
    """Prepare and write rows, and read back what a dataset of them would hold."""
    preset = spec.make_preset()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        staged = [Staged(stage_rows(rows, folder=folder))]
        for split, held in (given or {}).items():
            place = folder / split.value
            place.mkdir()
            staged.append(Staged(stage_rows(held, folder=place), split))
        prepared = prepare(
            staged,
            preset=preset,
            spec=spec,
            folder=folder,
            base_model=catalogue.entry(spec.model or model),
        )
        finished = write_dataset(
            prepared,
            preset=preset,
            train_sizes=spec.train_sizes,
            folder=folder,
            today=TODAY,
            known_models=catalogue.names,
            count_tokens=count_tokens,
        )
        stored = pl.read_ipc_stream(finished.written.ordered).to_dicts()
        lines = tuple(finished.written.train.read_bytes().splitlines(keepends=True))
    train, validation, test = (
        tuple(example_of(row) for row in stored if row["split"] == split) for split in Split
    )
    splits = Splits(train, validation, test)
    return Outcome(splits, finished.report, finished.written.fingerprint, lines)


def split_examples(
    examples: Iterable[Example],
    *,
    seed: int,
    test_size: int,
    validation_size: int,
    rows_per_group: int | None = None,
) -> Splits:
    """Split examples as a preparation does, and return them instead of their rows."""
    population = list(examples)
    keys, rows = keys_of_examples(population, seed), np.arange(len(population))
    small = Sizes(test_size, validation_size, rows_per_group).small_group
    classes = size_classes(keys, rows, small=small)
    test = hold_out_rows(
        keys,
        rows,
        size=test_size,
        classes=classes,
        rows_per_group=rows_per_group,
        field="test_size",
    )
    validation = hold_out_rows(
        keys,
        test.rest,
        size=validation_size,
        classes=classes,
        begin=test.end,
        rows_per_group=rows_per_group,
        field="validation_size",
    )

    def chosen(rows: "np.typing.NDArray[np.int64]") -> tuple[Example, ...]:
        return tuple(population[row] for row in rows)

    return Splits(
        train=chosen(nested_order(keys, validation.rest)),
        validation=chosen(validation.rows),
        test=chosen(test.rows),
        beyond_validation=chosen(validation.spare),
        beyond_test=chosen(test.spare),
        moves=test.moves or validation.moves,
    )


def keys_of_examples(examples: Sequence[Example], seed: int) -> pl.DataFrame:
    texts = {name: [digest(seed, getattr(each, name)) for each in examples] for name in DIGESTS[:3]}
    columns = {
        f"{name}_{half}": [int.from_bytes(each[at : at + 8]) for each in digests]
        for name, digests in texts.items()
        for half, at in (("high", 0), ("low", 8))
    }
    schema = dict.fromkeys(columns, pl.UInt64)
    return pl.DataFrame(columns, schema=schema).with_columns(pl.lit(0, pl.UInt8).alias("given"))
