"""Columns of texts escaped as in JSON, byte for byte as `json.dumps` does."""

from json.encoder import encode_basestring, encode_basestring_ascii

import polars as pl

# What a backslash and one letter do not stand for here is left to Python's own encoder.
_ODD = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"
_ODD_IN_ASCII = r"[^\x20-\x7e\n\r\t]"
_ESCAPES = (("\\", r"\\"), ('"', r"\""), ("\n", r"\n"), ("\r", r"\r"), ("\t", r"\t"))


def escaped(column: pl.Series, *, ascii_only: bool = False) -> pl.Series:
    """Return what stands between the quotes of each JSON text; `ascii_only` as `ensure_ascii`."""
    text = pl.col(column.name)
    odd = text.str.contains(_ODD_IN_ASCII if ascii_only else _ODD).alias("odd")
    for raw, spelled in _ESCAPES:
        text = text.str.replace_all(raw, spelled, literal=True)
    found = column.to_frame().select(text, odd)
    encode = encode_basestring_ascii if ascii_only else encode_basestring
    values = [encode(each)[1:-1] for each in column.filter(found["odd"])]
    return with_values(found[column.name], found["odd"], values)


def with_values(column: pl.Series, where: pl.Series, values: list[str]) -> pl.Series:
    """Return a column of texts with others where `where` is true, taken one by one."""
    if not values:
        return column
    return column.scatter(where.arg_true(), pl.Series(values, dtype=pl.String))
