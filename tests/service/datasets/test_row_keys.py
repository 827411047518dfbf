"""The keys of examples are equal where their words are, whatever stands between these."""

import hashlib
import unicodedata

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.conversion.row_keys import DIGESTS, digest, row_keys
from service.datasets.examples import fold

TEXTS = st.text(" \t\u00a0-.,!'abÉé1٣\u0301漢", max_size=12)


def words(text: str) -> list[str]:
    spaced = (each if unicodedata.category(each)[0] in "LN" else " " for each in fold(text))
    return "".join(spaced).split()


def normalised(texts: list[str]) -> list[int]:
    empty = dict.fromkeys(("system", "history", "rejected", "identity", "identity_target"), "")
    rows = [{"row": 1, "given": 0, "text": each, "target": each, **empty} for each in texts]
    digests = [digest(0, "")] * len(DIGESTS) * len(texts)
    keys = row_keys(pl.DataFrame(rows), digests, [fold(each) for each in texts])
    return keys["normalised"].to_list()


@given(st.lists(TEXTS, min_size=2, max_size=30))
def test_texts_are_normalised_alike_if_and_only_if_their_words_are_equal(texts: list[str]) -> None:
    by_words = {tuple(words(text)): key for text, key in zip(texts, normalised(texts), strict=True)}

    assert normalised(texts) == [by_words[tuple(words(text))] for text in texts]
    assert len(set(by_words.values())) == len(by_words)


@given(st.integers(0, 2**63), st.text("ab é", max_size=300))
def test_a_digest_is_that_of_keyed_blake2b(seed: int, text: str) -> None:
    whole = hashlib.blake2b(text.encode(), key=seed.to_bytes(8, "big"), digest_size=16)

    assert digest(seed, text) == digest(seed, text) == whole.digest()
