"""Tuning lines and fingerprints of many rows at once, the same bytes as row by row."""

import json
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

import polars as pl

from service.datasets.examples import SCHEMA, Example, example_of
from service.datasets.publishing.export_forms import preference_lines, training_lines

# What a backslash and one letter do not stand for here is left to Python's own encoder.
_BEYOND_ESCAPES = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"
_BEYOND_ESCAPES_ASCII = r"[^\x20-\x7e\n\r\t]"
_ESCAPES = (("\\", r"\\"), ('"', r"\""), ("\n", r"\n"), ("\r", r"\r"), ("\t", r"\t"))


def json_escaped(column: pl.Series, *, ascii_only: bool = False) -> pl.Series:
    """Return what stands between the quotes of each JSON text; `ascii_only` as `ensure_ascii`."""
    text = pl.col(column.name)
    needs_encoder = text.str.contains(
        _BEYOND_ESCAPES_ASCII if ascii_only else _BEYOND_ESCAPES
    ).alias("needs_encoder")
    for raw, spelled in _ESCAPES:
        text = text.str.replace_all(raw, spelled, literal=True)
    found = column.to_frame().select(text, needs_encoder)
    encode = encode_basestring_ascii if ascii_only else encode_basestring
    values = [encode(each)[1:-1] for each in column.filter(found["needs_encoder"])]
    return replace_where(found[column.name], found["needs_encoder"], values)


def replace_where(column: pl.Series, where: pl.Series, values: list[str]) -> pl.Series:
    """Return a column of texts with others where `where` is true, taken one by one."""
    if not values:
        return column
    return column.scatter(where.arg_true(), pl.Series(values, dtype=pl.String))


_MARK = "\ue000text\ue000"  # of a private area: stands where a line's texts are to be put
_IS_CHAT = (pl.col("system") != "") | (pl.col("history") != "")


def training_column(instruction: str, rows: pl.DataFrame) -> pl.Series:
    """Return the tuning line of each row as `training_lines` writes it, its end included."""
    head, middle, tail = _around_texts(instruction)
    texts = pl.DataFrame([json_escaped(rows[name]) for name in ("text", "target")])
    parts = (pl.lit(head), pl.col("text"), pl.lit(middle), pl.col("target"), pl.lit(tail))
    lines = texts.select(pl.concat_str(parts).alias("line"))["line"]
    chats = rows.select(_IS_CHAT.alias("chat"))["chat"]
    examples = map(example_of, records(rows.filter(chats)))
    return replace_where(
        lines, chats, [each.decode() for each in training_lines(instruction, examples)]
    )


def preference_column(instruction: str, rows: pl.DataFrame) -> pl.Series:
    """Return the line of each row as `preference_lines` writes it, its end included."""
    lines = preference_lines(instruction, map(example_of, records(rows)))
    return pl.Series([each.decode() for each in lines], dtype=pl.String)


def _around_texts(instruction: str) -> list[str]:
    """Return what stands before, between and after the two texts of a line."""
    example = Example(id="", text=_MARK, target=_MARK, references=(), group="", row=0)
    line = next(training_lines(instruction, [example])).decode()
    return line.rsplit(_MARK, 2)


_FINGERPRINTED = ("split", "id", "text", "target", "target", "group", "label")


def fingerprint_column(rows: pl.DataFrame) -> pl.Series:
    """Return what of each example counts in the fingerprint: not its position or source row."""
    names = ("id", "text", "target", "group", "label")
    texts = pl.DataFrame(
        [rows["split"], *(json_escaped(rows[name], ascii_only=True) for name in names)]
    )
    line = pl.format('["{}", "{}", "{}", "{}", ["{}"], "{}", "{}"]\n', *_FINGERPRINTED)
    lines = texts.select(line.alias("line"))["line"]
    alone = rows.select(
        (
            _IS_CHAT
            | (pl.col("rejected") != "")
            | (pl.col("references").list.len() != 1)
            | (pl.col("references").list.first() != pl.col("target"))
        ).alias("alone")
    )["alone"]
    return replace_where(lines, alone, list(map(_fingerprinted, records(rows.filter(alone)))))


def _fingerprinted(row: dict[str, Any]) -> str:
    names = ("split", "id", "text", "target", "references", "group", "label")
    chat = [row["system"], row["history"], *filter(None, [row["rejected"]])]
    return json.dumps([row[name] for name in names] + (chat if any(chat) else [])) + "\n"


def records(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the stored columns row by row; Arrow lists are faster than those of Polars."""
    names = list(SCHEMA.columns)
    columns = (rows[name].to_arrow().to_pylist() for name in names)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
