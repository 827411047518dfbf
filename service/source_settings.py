"""Settings of what a dataset's source may be, and where the hub is."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from service.http_settings import split_commas


class SourceSettings(BaseSettings):
    """A part of `service.settings.Settings`."""

    line_bytes_limit: int = Field(
        default=1 << 20, ge=1, description="size of one row of a data file"
    )

    source_bytes_limit: int = Field(
        default=4 << 30,
        ge=1,
        description="size of one file of a dataset's source, as sent and as expanded",
    )
    source_rows_limit: int = Field(default=20_000_000, ge=1, description="rows of a source")
    source_columns_limit: int = Field(default=1000, ge=1, description="columns of a source")
    cell_characters_limit: int = Field(
        default=1 << 17, ge=1, description="characters of one cell of a CSV or TSV source"
    )
    json_depth_limit: int = Field(
        default=64, ge=1, description="nesting depth of lists and objects in a source"
    )
    json_bytes_limit: int = Field(
        default=256 << 20,
        ge=1,
        description="size of a JSON document that cannot be read row by row",
    )
    parquet_memory_bytes: int = Field(
        default=2 << 30,
        ge=256 << 20,
        description="memory of the process that reads a Parquet source",
    )
    parquet_seconds: int = Field(
        default=1800, ge=1, description="time of the process that reads a Parquet source"
    )
    hub_endpoint: str = Field(
        default="",
        description="address of a mirror of the Hugging Face hub; empty means the hub itself",
    )
    hub_allow_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="private networks where that mirror may be, such as `10.0.0.0/8`"
    )

    @field_validator("hub_allow_networks", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return split_commas(value)
