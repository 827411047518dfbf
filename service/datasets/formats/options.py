"""The format of a file, where its name and its bytes leave it open."""

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from service.errors import Fault, Invalid

_SUFFIX = re.compile(r"\.([a-z]+)(?:\.(?:gz|zst))?$")


class FormatName(StrEnum):
    """How rows are written; each may come in gzip or Zstandard."""

    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    PARQUET = "parquet"


class EncodingName(StrEnum):
    """Encodings that may be named, by the names of Python's codecs."""

    UTF_8 = "utf-8"
    UTF_16 = "utf-16"
    UTF_16_LE = "utf-16-le"
    UTF_16_BE = "utf-16-be"
    LATIN_1 = "latin-1"
    WINDOWS_1250 = "cp1250"
    WINDOWS_1251 = "cp1251"
    WINDOWS_1252 = "cp1252"
    WINDOWS_1253 = "cp1253"
    WINDOWS_1254 = "cp1254"
    WINDOWS_1255 = "cp1255"
    WINDOWS_1256 = "cp1256"
    WINDOWS_1257 = "cp1257"
    WINDOWS_1258 = "cp1258"
    THAI = "cp874"
    DOS_LATIN_1 = "cp850"
    DOS_LATIN_2 = "cp852"
    DOS_CYRILLIC = "cp866"
    LATIN_2 = "iso8859-2"
    LATIN_5 = "iso8859-9"
    LATIN_9 = "iso8859-15"
    KOI8_R = "koi8-r"
    KOI8_U = "koi8-u"
    MAC_ROMAN = "mac-roman"
    GB18030 = "gb18030"
    BIG5 = "big5"
    SHIFT_JIS = "cp932"
    EUC_JP = "euc-jp"
    KOREAN = "cp949"


class FormatOptions(BaseModel):
    """Everything that is left out is found: the format by the name, the rest by the bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: FormatName | None = Field(default=None, description="of the file; else by its name")
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(default=None, description="of CSV")
    quoting: bool = Field(default=True, description="false: a double quote is a character of text")
    encoding: EncodingName | None = Field(default=None, description="of a text file; else found")
    columns: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        default=(), max_length=1000, description="names for a CSV file without a header"
    )

    @field_validator("columns")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("a column is named twice; give each a name of its own")
        return names


def format_of_name(name: str, *, pointer: str) -> FormatName:
    """Return the format by a file's name, or raise Invalid `unknown_format`."""
    found = _SUFFIX.search(name.lower())
    if found and found[1] in set(FormatName):
        return FormatName(found[1])
    known = ", ".join(f".{each}" for each in FormatName)
    message = f"the name must end in one of {known}, perhaps with .gz or .zst after it"
    fault = Fault(pointer, "unknown_format", message)
    raise Invalid(message, code="unknown_format", faults=[fault])
