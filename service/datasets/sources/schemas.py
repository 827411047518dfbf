"""The sources a spec may name."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.ids import Prefix, id_pattern


class FileSource(BaseModel):
    """A file that was uploaded to this project."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["file"]
    file_id: str = Field(pattern=id_pattern(Prefix.FILE))


class GsSource(BaseModel):
    """An object in Cloud Storage; its name ends in .jsonl, .csv or .json, and perhaps .gz."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["gs"]
    uri: str = Field(max_length=1300, examples=["gs://my-bucket/reviews.jsonl"])


class SyntheticSource(BaseModel):
    """Made-up sentences with made-up personal data, free of anybody's rights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["synthetic"]
    rows: int = Field(default=3000, ge=1, le=100_000)
    seed: int = Field(default=0, ge=0, lt=2**31)


AnySource = Annotated[FileSource | GsSource | SyntheticSource, Field(discriminator="type")]
