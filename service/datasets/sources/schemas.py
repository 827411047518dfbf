"""The sources a spec may name."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.datasets.formats.options import FormatOptions
from service.ids import Prefix, id_pattern


class FileSource(BaseModel):
    """A file that was uploaded to this project."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["file"]
    file_id: str = Field(pattern=id_pattern(Prefix.FILE))
    format: FormatOptions = FormatOptions()


class GsSource(BaseModel):
    """An object in Cloud Storage.

    Its name ends in .jsonl, .csv, .tsv, .json or .parquet, and perhaps .gz or .zst after that;
    else `format` names the format.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["gs"]
    uri: str = Field(max_length=1300, examples=["gs://my-bucket/reviews.jsonl"])
    format: FormatOptions = FormatOptions()


# Spelt out: repeated ninety-five times, a Unicode `\w` costs every process 18 MB.
_WORD = "A-Za-z0-9_"


class HubSource(BaseModel):
    """Data files of a public dataset on the Hugging Face hub, at one commit.

    They are those that its card names for the configuration and the split, or by their names;
    `files` (with * and ?) chooses others. Code in a dataset is never run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["hub"]
    repo: str = Field(
        pattern=rf"^[A-Za-z0-9][{_WORD}.-]{{0,95}}(/[A-Za-z0-9][{_WORD}.-]{{0,95}})?$",
        description="owner and name of the repository",
        examples=["ai4privacy/pii-masking-200k"],
    )
    revision: str = Field(pattern=r"^[0-9a-f]{40}$", description="the whole id of a commit")
    config: str = Field(default="", max_length=100)
    split: str = Field(
        default="train",
        pattern=rf"^[{_WORD}][{_WORD}.-]{{0,63}}$",
        description="name of one of its splits",
        examples=["train"],
    )
    files: tuple[Annotated[str, Field(min_length=1, max_length=300)], ...] = Field(
        default=(), max_length=50
    )
    format: FormatOptions = FormatOptions()


class SyntheticSource(BaseModel):
    """Made-up sentences with made-up personal data, free of rights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["synthetic"]
    rows: int = Field(default=3000, ge=1, le=100_000)
    seed: int = Field(default=0, ge=0, lt=2**31)


AnySource = Annotated[
    FileSource | GsSource | HubSource | SyntheticSource, Field(discriminator="type")
]
