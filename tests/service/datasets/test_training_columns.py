"""Columns of JSON: the same bytes as the encoders write row by row."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.datasets.examples import SCHEMA, example_of
from service.datasets.formats.arrow_arrays import joined_texts, text_lists
from service.datasets.publishing.export_forms import training_lines
from service.datasets.publishing.training_columns import (
    fingerprint_column,
    json_escaped,
    training_column,
)

ROOT = Path(__file__).parents[3]
HISTORY = json.dumps([{"role": "user", "text": "Hi"}, {"role": "model", "text": "Yes?"}])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
odd_texts = st.text(st.sampled_from('a"\\\n\r\t\b\f\x00\x1f\x7f\x80é漢😀\u2028'), max_size=12)
rows = st.tuples(
    texts,
    st.sampled_from(["train", "test"]),
    st.just(0),
    texts | odd_texts,
    texts | odd_texts,
    st.lists(texts, max_size=3) | st.none(),
    texts,
    texts,
    st.integers(1, 9),
    st.sampled_from(["", "Be brief."]),
    st.sampled_from(["", HISTORY]),
    st.sampled_from(["", "Worse."]),
)


def frame(given_rows: list[tuple[object, ...]]) -> pl.DataFrame:
    """Return rows as a frame; references that are None are the target alone."""
    whole = [(*row[:5], [row[4]] if row[5] is None else row[5], *row[6:]) for row in given_rows]
    schema = dict.fromkeys(SCHEMA.columns, pl.String()) | {
        "references": pl.List(pl.String),
        "position": pl.Int64(),
        "row": pl.Int64(),
    }
    return pl.DataFrame(whole, schema=schema, orient="row")


@given(values=st.lists(texts | odd_texts, max_size=8))
def test_texts_are_escaped_as_json_dumps_does(values: list[str]) -> None:
    column = pl.Series("text", values, dtype=pl.String)

    for ascii_only in (False, True):
        expected = [json.dumps(value, ensure_ascii=ascii_only)[1:-1] for value in values]
        assert json_escaped(column, ascii_only=ascii_only).to_list() == expected


@settings(deadline=None)
@given(given_rows=st.lists(rows, max_size=6), instruction=texts)
@example(given_rows=[], instruction="")
def test_lines_of_many_rows_are_those_of_each(
    given_rows: list[tuple[object, ...]], instruction: str
) -> None:
    table = frame(given_rows)

    data, ends = joined_texts(training_column(instruction, table))

    expected = list(training_lines(instruction, map(example_of, table.iter_rows(named=True))))
    begins = [0, *ends.tolist()]
    assert [bytes(data[begin:end]) for begin, end in pairwise(begins)] == expected


@settings(deadline=None)
@given(given_rows=st.lists(rows, max_size=6))
def test_fingerprints_of_many_rows_are_those_of_each(
    given_rows: list[tuple[object, ...]],
) -> None:
    table = frame(given_rows)

    found = fingerprint_column(table).to_list()

    for row, line in zip(table.iter_rows(), found, strict=True):
        name, split, _, text, target, references, group, label, _, *chat, rejected = row
        chat += [rejected] * bool(rejected)
        counted = [split, name, text, target, references, group, label]
        assert line == json.dumps(counted + chat if any(chat) else counted) + "\n"


@given(values=st.lists(st.lists(texts, max_size=3), max_size=5))
def test_lists_of_texts_are_what_they_were(values: list[list[str]]) -> None:
    assert text_lists(values).to_pylist() == values


def test_a_preparation_does_not_load_pandas() -> None:
    code = """
import sys
from service.datasets.formats.rows import SourceRow
from service.datasets.schemas import PrepareSpec
from tests.service.datasets.columnar import prepare_rows
wish = {"preset": "pii", "source": {"type": "synthetic"}, "test_size": 2, "train_sizes": [3]}
rows = [
    SourceRow(n, {"source_text": f"{n} is Ann of {n}", "target_text": f"{n} is [NAME] of {n}"})
    for n in range(1, 30)
]
assert prepare_rows(rows, PrepareSpec.model_validate(wish)).lines
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
