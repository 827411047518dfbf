"""The synthetic source: varied, balanced between text and mask, the same everywhere."""

import hashlib
import json
import re
import subprocess
import sys
import time

import pytest

from service.datasets.formats.rows import SourceRow
from service.datasets.presets.pii import LABELS, template_of
from service.datasets.sources.synthetic import synthetic_rows

PLACEHOLDER = re.compile(r"\[([A-Z0-9]+)\]")


@pytest.fixture(scope="module")
def rows() -> list[SourceRow]:
    return list(synthetic_rows(3000, seed=0))


def digest(count: int, seed: int) -> str:
    fields = [dict(row.fields) for row in synthetic_rows(count, seed=seed)]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def test_there_are_far_more_skeletons_than_a_split_needs(rows: list[SourceRow]) -> None:
    assert len(rows) == 3000
    assert len({template_of(row.fields["target_text"]) for row in rows}) >= 400
    assert len({row.fields["source_text"] for row in rows}) > 2900


def test_every_label_is_one_the_instruction_names_and_all_of_them_occur(
    rows: list[SourceRow],
) -> None:
    used = {label for row in rows for label in PLACEHOLDER.findall(row.fields["target_text"])}

    assert used == set(LABELS)


def test_a_source_is_its_target_with_values_for_labels(rows: list[SourceRow]) -> None:
    for row in rows:
        words = PLACEHOLDER.split(row.fields["target_text"])[::2]
        pattern = "(.+)".join(map(re.escape, words))
        assert re.fullmatch(pattern, row.fields["source_text"]), row.number


def test_some_sentences_hold_nothing_to_mask(rows: list[SourceRow]) -> None:
    plain = [row for row in rows if row.fields["source_text"] == row.fields["target_text"]]

    assert 10 < len(plain) < 300


def test_another_process_makes_the_same_rows() -> None:
    code = (
        "from tests.service.datasets.test_synthetic import digest;"
        "print(digest(200, 7), digest(200, 8))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )

    assert done.stdout.split() == [digest(200, 7), digest(200, 8)]
    assert digest(200, 7) != digest(200, 8)


def test_fewer_rows_are_the_first_of_more(rows: list[SourceRow]) -> None:
    assert list(synthetic_rows(100, seed=0)) == rows[:100]


def test_rows_that_are_made_at_the_same_time_are_as_those_alone(rows: list[SourceRow]) -> None:
    pairs = list(zip(synthetic_rows(50, seed=0), synthetic_rows(50, seed=0), strict=True))

    assert pairs == [(row, row) for row in rows[:50]]


def test_three_thousand_rows_take_little_time() -> None:
    started = time.process_time()

    list(synthetic_rows(3000, seed=1))

    assert time.process_time() - started < 3
