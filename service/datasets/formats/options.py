"""The format of a file, where its name and its bytes leave it open."""

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.errors import Fault, Invalid

_SUFFIX = re.compile(r"\.([a-z]+)(?:\.(?:gz|zst))?$")


class FormatName(StrEnum):
    """How rows are written; each may come in gzip or Zstandard."""

    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    PARQUET = "parquet"


class FormatOptions(BaseModel):
    """Everything that is left out is found: the format by the name, the rest by the bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: FormatName | None = Field(default=None, description="of the file; else by its name")
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(default=None, description="of CSV")
    quoting: bool = Field(default=True, description="false: a double quote is a character of text")
    encoding: Literal["utf-8", "utf-16", "latin-1", "cp1252"] | None = None
    columns: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        default=(), max_length=1000, description="names for a CSV file without a header"
    )


def format_of_name(name: str, *, pointer: str) -> FormatName:
    """Return the format by a file's name, or raise Invalid `unknown_format`."""
    found = _SUFFIX.search(name.lower())
    if found and found[1] in set(FormatName):
        return FormatName(found[1])
    known = ", ".join(f".{each}" for each in FormatName)
    message = f"the name must end in one of {known}, perhaps with .gz or .zst after it"
    fault = Fault(pointer, "unknown_format", message)
    raise Invalid(message, code="unknown_format", faults=[fault])
