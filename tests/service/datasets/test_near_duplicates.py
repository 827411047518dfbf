"""Near-duplicates: found by sketches, believed by true Jaccard, in any order."""

import csv
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.datasets.cleaning.near_duplicates import SHORTEST, NearDuplicates, rows_per_band
from service.datasets.cleaning.shingles import jaccard, shingle_set, shingle_texts
from service.datasets.examples import fold
from tests.support.shared_data import shared_data

WORDS = (  # noqa: SIM905  prose reads better
    "the parcel for our customer was sent to an old address and came back after three weeks "
    "because nobody had informed the office that she had moved to another town in spring"
).split()


def clusters_of(texts: Sequence[str], folder: Path, *, threshold: float) -> list[int]:
    near = NearDuplicates(folder, threshold=threshold)
    for begin in range(0, len(texts), 1000):
        near.add(texts[begin : begin + 1000])
    try:
        return [int(each) for each in near.clusters(np.arange(len(texts)))]
    finally:
        near.close()


def near_pairs(texts: Sequence[str], threshold: float) -> set[tuple[int, int]]:
    """Return what comparing all with all finds."""
    sets = [shingle_set(text) for text in texts]
    return {
        (one, other)
        for one, other in combinations(range(len(texts)), 2)
        if len(texts[one]) >= SHORTEST <= len(texts[other])
        and min(len(sets[one]), len(sets[other]))
        >= threshold * max(len(sets[one]), len(sets[other]))
        and jaccard(sets[one], sets[other]) >= threshold
    }


def sentence(random: Random) -> str:
    return " ".join(random.choices(WORDS, k=random.randint(12, 40)))


def planted(count: int) -> list[str]:
    """Return sentences, a tenth of them followed by a copy with one character changed."""
    random = Random(5)  # noqa: S311  nothing secret
    texts = []
    for number in range(count):
        text = f"{sentence(random)} {number}"
        texts.append(text)
        if number % 10 == 0:
            at = random.randrange(len(text))
            texts.append(f"{text[:at]}#{text[at + 1 :]}")
    return texts


def test_the_same_pairs_as_by_brute_force_are_found_on_real_pairs(tmp_path: Path) -> None:
    path = shared_data("pii/presidio_generated_large_shared_pairs.csv")
    with path.open(newline="") as stream:
        rows = [fold(row["source_text"]) for row in csv.DictReader(stream)]
    texts = list(dict.fromkeys(rows))
    expected = near_pairs(texts, 0.8)

    clusters = clusters_of(texts, tmp_path, threshold=0.8)

    assert len(expected) > 10
    found = {pair for pair in expected if clusters[pair[0]] == clusters[pair[1]]}
    assert len(found) >= 0.95 * len(expected)


def test_planted_copies_are_found_and_nothing_else(tmp_path: Path) -> None:
    texts = planted(3000)

    clusters = clusters_of(texts, tmp_path, threshold=0.85)

    together = {
        (one, other) for other, one in enumerate(clusters) if one != other
    }  # clusters here are pairs
    sets = {row: shingle_set(texts[row]) for pair in together for row in pair}
    right = [pair for pair in together if jaccard(sets[pair[0]], sets[pair[1]]) >= 0.85]
    copies = {(at - 1, at) for at, text in enumerate(texts) if "#" in text}
    near = {pair for pair in copies if _near(texts[pair[0]], texts[pair[1]])}
    assert len(near & together) >= 0.95 * len(near) > 200
    assert len(right) >= 0.99 * len(together)


def _near(one: str, other: str) -> bool:
    return jaccard(shingle_set(one), shingle_set(other)) >= 0.85


def test_the_order_of_the_texts_changes_no_cluster(tmp_path: Path) -> None:
    random = Random(1)  # noqa: S311  nothing secret
    texts = planted(300)
    order = list(range(len(texts)))
    random.shuffle(order)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    first = clusters_of(texts, tmp_path / "a", threshold=0.85)
    second = clusters_of([texts[at] for at in order], tmp_path / "b", threshold=0.85)

    pairs = {frozenset(pair) for pair in enumerate(first) if pair[0] != pair[1]}
    again = {
        frozenset((order[at], order[leader])) for at, leader in enumerate(second) if at != leader
    }
    assert pairs == again


def test_short_texts_are_copies_of_nothing(tmp_path: Path) -> None:
    assert clusters_of(["call me at 10", "call me at 11"], tmp_path, threshold=0.5) == [0, 1]


@settings(deadline=None)
@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=8))
def test_runs_of_many_texts_are_those_of_each(texts: list[str]) -> None:
    shingles = shingle_texts(texts)

    for at, text in enumerate(texts):
        own = shingle_texts([text]).hashes
        begin, end = shingles.offsets[at : at + 2]
        assert shingles.hashes[begin:end].tolist() == own.tolist()
        assert len(set(own.tolist())) == len(shingle_set(text))


def python_sets(text: str) -> frozenset[str]:
    padded = text.ljust(5, "\0")
    return frozenset(padded[at : at + 5] for at in range(len(padded) - 4))


@settings(deadline=None)
@given(
    one=st.text(max_size=40) | st.text("ab漢\u4e00\u5e00😀", max_size=20),
    other=st.text("ab漢\u4e00\u5e00😀", max_size=20),
)
def test_jaccard_is_that_of_sets_of_texts(one: str, other: str) -> None:
    ours, theirs = python_sets(one), python_sets(other)

    found = jaccard(shingle_set(one), shingle_set(other))

    assert found == len(ours & theirs) / len(ours | theirs)


@pytest.mark.parametrize(("threshold", "rows"), [(0.5, 2), (0.85, 6), (1.0, 16)])
def test_bands_are_as_long_as_recall_allows(threshold: float, rows: int) -> None:
    assert rows_per_band(threshold) == rows
