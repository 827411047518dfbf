"""A file that is staged, prepared and written as the job does it, and short ways to write one."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from service.catalogue.catalogue import load_catalogue
from service.datasets.conversion.row_conversion import needed_columns
from service.datasets.preparation import conversion_plan, prepare
from service.datasets.publishing.written_dataset import write_dataset
from service.datasets.refusals import Staged
from service.datasets.report.schemas import DatasetReport
from service.datasets.schemas import PrepareSpec
from tests.service.datasets.ingestion.files import staged

CATALOGUE = load_catalogue()


class PreparedFile:
    """What a report says of a file, and the rows that would be taught and tested."""

    def __init__(self, data: bytes, name: str, spec: dict[str, Any], folder: Path) -> None:
        small = {"source": {"type": "synthetic"}, "train_sizes": [2], "test_size": 2}
        given = PrepareSpec.model_validate(small | {"near_duplicates": None} | spec)
        preset = given.make_preset()
        needed = needed_columns(conversion_plan(preset, given))
        rows = staged(data, name, folder, needed=needed)
        model = CATALOGUE.entry("")
        split = prepare([Staged(rows)], preset=preset, spec=given, folder=folder, base_model=model)
        made = write_dataset(
            split,
            preset=preset,
            train_sizes=given.train_sizes,
            folder=folder,
            today=date(2026, 9, 1),
            known_models=CATALOGUE.names,
        )
        self.report: DatasetReport = made.report
        self.rows = pl.read_ipc_stream(made.written.ordered).sort("row").to_dicts()

    @property
    def warnings(self) -> set[str]:
        return {each.code for each in self.report.warnings}


def table(rows: Iterable[Sequence[str]], *, delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def unquoted(rows: Iterable[Sequence[str]], delimiter: str = ",") -> str:
    return "".join(delimiter.join(row) + "\n" for row in rows)
