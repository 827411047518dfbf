"""The small columns that stand for an example's texts: hashes, lengths, its given split. Pure.

Splits are decided by BLAKE2b, which never changes. Whether two texts of one run are equal is
decided by Polars' own hash, which is faster; identities take two of them, 128 bits.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.datasets.examples import fold
from service.datasets.presets import pii

PLACEHOLDER = pii.PLACEHOLDER.pattern
# What separates words; single spaces, of which a text compared has most, stay as they are.
_SEPARATORS = r" ?[^\p{L}\p{N} ][^\p{L}\p{N}]*"
# A masked text with fewer characters beside its placeholders has no template key.
_TEMPLATE_CHARACTERS = 20
PAIR = ("chosen", "rejected")  # the keys of a prompt with the one and the other answer
DIGESTS = ("group", "id", "label", "spelling")


def digest(seed: int, text: str) -> bytes:
    hashed = _keyed(seed).copy()
    hashed.update(text.encode())
    return hashed.digest()


@lru_cache
def _keyed(seed: int) -> "hashlib.blake2b":
    """Return the hash of nothing yet, never updated itself: a copy costs less than a new one."""
    return hashlib.blake2b(key=seed.to_bytes(8, "big"), digest_size=16)


def row_keys(
    converted: pl.DataFrame, digests: Iterable[bytes], compared: list[str], *, masks: bool = True
) -> pl.DataFrame:
    """Return the keys of examples, one row each; `digests` are four for each, as in `DIGESTS`.

    `masks`: targets are masked texts; else those are that have words of their text.

    The input of a chat is its system instruction, its history and its text. `system` is a hash of
    the first.
    """
    words = np.frombuffer(b"".join(digests), ">u8").astype(np.uint64).reshape(-1, 8)
    decided = {
        f"{name}_{half}": words[:, 2 * at + part]
        for at, name in enumerate(DIGESTS)
        for part, half in enumerate(("high", "low"))
    }
    known = converted.with_columns(
        pl.Series("compared", compared),
        pl.Series("spoken", _systems(converted["system"], form=fold)),
        pl.Series("instructed", _systems(converted["system"])),
        _blanked().alias("blanked"),
    )
    keys = known.select(
        "row",
        "given",
        pl.struct("identity", "identity_target").hash(1).alias("identity_1"),
        pl.struct("identity", "identity_target").hash(2).alias("identity_2"),
        (pl.col("text").hash(3) ^ pl.col("spoken") ^ _hashed("history", 7)).alias("text"),
        (_normalised().hash(4) ^ pl.col("spoken")).alias("normalised"),
        (pl.col("instructed") // (1 << 32)).cast(pl.UInt32).alias("system"),
        (pl.col("target").hash(5) ^ _hashed("rejected", 8)).alias("target"),
        _template(masks=masks).alias("template"),
        pl.col("text").str.len_chars().alias("text_characters"),
        pl.col("target").str.len_chars().alias("target_characters"),
        (
            pl.col("text").str.len_bytes()
            + pl.col("system").str.len_bytes()
            + pl.col("history").str.len_bytes()
        ).alias("text_bytes"),
        pl.col("target").str.len_bytes().alias("target_bytes"),
    )
    return keys.with_columns(**_unsigned(decided))


def rejected_bytes(converted: pl.DataFrame) -> pl.Series:
    return converted["rejected"].str.len_bytes().alias("rejected_bytes")


def concat_keys(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the keys of all frames and empty the list, column by column to save memory."""
    names = frames[0].columns if frames else []
    columns: dict[str, list[pl.Series]] = {name: [] for name in names}
    for frame in frames:
        for name in names:
            columns[name].append(frame[name])
    frames.clear()
    return pl.DataFrame([pl.concat(columns.pop(name), rechunk=True) for name in names])


def _unsigned(columns: dict[str, NDArray[np.uint64]]) -> dict[str, pl.Series]:
    return {name: pl.Series(values) for name, values in columns.items()}


def _systems(column: pl.Series, *, form: Callable[[str], str] = str) -> NDArray[np.uint64]:
    """Return a hash of each system instruction in a form that never changes, 0 for none."""
    known = {text: int.from_bytes(digest(0, form(text))[:8]) for text in column.unique() if text}
    if not known:
        return np.zeros(len(column), np.uint64)
    return np.array([known.get(text, 0) for text in column], np.uint64)


def _hashed(column: str, seed: int) -> pl.Expr:
    """Return the hashes of a column's texts, 0 for empty ones."""
    none = pl.lit(0, pl.UInt64)
    return pl.when(pl.col(column) == "").then(none).otherwise(pl.col(column).hash(seed))


def _normalised() -> pl.Expr:
    return pl.col("compared").str.replace_all(_SEPARATORS, " ").str.strip_chars()


def _blanked() -> pl.Expr:
    """Return a target with its placeholders blanked; Polars would do so at each mention."""
    return pl.col("target").str.replace_all(PLACEHOLDER, "[]").str.to_lowercase()


def _longest_piece(blanked: pl.Expr) -> pl.Expr:
    piece = pl.element().str.strip_chars()
    longest = piece.sort_by(piece.str.len_chars(), descending=True).first()
    return blanked.str.split("[]").list.eval(longest).list.first()


def _template(*, masks: bool) -> pl.Expr:
    """Return the hash of a blanked target; null where there are no placeholders.

    Where targets are no masks, a tag or a link looks like one: many rows may be answered alike.
    """
    blanked = pl.col("blanked")
    masked = pl.col("target").str.contains(PLACEHOLDER)
    if not masks:
        masked &= pl.col("compared").str.contains(_longest_piece(blanked), literal=True)
    words = blanked.str.replace_all("[]", "", literal=True).str.len_chars()
    return pl.when(masked & (words >= _TEMPLATE_CHARACTERS)).then(blanked.hash(6))
