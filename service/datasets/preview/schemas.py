"""What a preview returns, and what its subprocess is given."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.datasets.presets.chat_forms import RowForm
from service.datasets.schemas import PrepareSpec
from service.files.schemas import FileFormat

ValueType = Literal["empty", "boolean", "integer", "number", "json", "text"]


class PreviewColumn(BaseModel):
    """A column in the rows that were read."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="as the file has it")
    type: ValueType = Field(description="what all its values are")
    filled: int = Field(description="rows that hold something in it")
    distinct: int = Field(description="different values")
    longest: int = Field(description="characters")


class PreviewFault(BaseModel):
    model_config = ConfigDict(frozen=True)

    row: int = Field(description="number of the source's row")
    code: str = Field(description="which rule")
    message: str = Field(description="why, and how to mend it")


class PresetFit(BaseModel):
    """Whether a preset would take the rows, tried on those that were read."""

    model_config = ConfigDict(frozen=True)

    preset: str
    fits: bool = Field(description="at most a tenth of the rows are refused")
    why: str = Field(description="what became of the rows, or what is missing")
    columns: dict[str, str] = Field(default={}, description="for the spec, where names differ")
    labels: list[str] = Field(default=[], description="for the preset `classification`")
    form: RowForm | None = Field(default=None, description="of chats, for the spec")


class SourceEstimate(BaseModel):
    """What the whole source has; `rows_exact` where all of it was read."""

    model_config = ConfigDict(frozen=True)

    rows: int = Field(description="of the whole source")
    rows_exact: bool = Field(description="all of it was read")
    tokens: int = Field(description="of all columns, estimated from their lengths")
    tokens_error: float = Field(description="relative")
    base_model: str = Field(default="", description="whose price applies")
    training_dollars: str | None = Field(
        default=None,
        description="decimal string: one epoch on all of it; null where no price is known",
    )


class SourcePreview(BaseModel):
    """What the first rows of a source show."""

    model_config = ConfigDict(frozen=True)

    rows_read: int = Field(description="good rows that all else is derived from")
    columns: list[PreviewColumn] = Field(description="in the order of the source")
    first_rows: list[dict[str, str]] = Field(description="masked: shapes, no data")
    faults: list[PreviewFault] = Field(description="the first of each code, in the rows read")
    assumed_encodings: list[str] = Field(description="chosen because they are likely")
    presets: list[PresetFit] = Field(description="those that fit come first")
    estimate: SourceEstimate = Field(description="of the whole source")


class FilePreview(SourcePreview):
    """What the first rows of an uploaded file show."""

    object: Literal["file_preview"] = "file_preview"
    file: str = Field(description="id of the file")
    format: FileFormat
    size_bytes: int
    links: dict[str, str]


class PreparedSample(BaseModel):
    """The first rows as a spec would prepare them; lengths are percentiles in characters."""

    model_config = ConfigDict(frozen=True)

    rows: int = Field(description="estimated, of the whole source")
    rows_exact: bool
    rows_read: int
    converted: int
    dropped: int
    refused: dict[str, int] = Field(description="rows by code")
    lengths: dict[str, dict[str, int]]


class SampleRequest(BaseModel):
    """What the subprocess reads: the head of a file, or made-up rows, perhaps by a spec.

    `size_bytes` is that of the whole file, of which the head has `head_bytes`.
    """

    model_config = ConfigDict(frozen=True)

    path: str = ""
    format: FileFormat | None = None
    size_bytes: int = 0
    head_bytes: int = 0
    spec: PrepareSpec | None = None
