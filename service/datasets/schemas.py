"""What crosses HTTP about datasets."""

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator
from pydantic_core import PydanticCustomError

from service.datasets.examples import Split, Turn
from service.datasets.presets.chat_forms import RowForm
from service.datasets.presets.definition import Label, PresetDefinition, read_definition
from service.datasets.presets.options import SquadOptions, Template
from service.datasets.presets.preset import Preset
from service.datasets.presets.registry import PRESETS, choose_preset
from service.datasets.presets.targets import check_schema
from service.datasets.report.schemas import DatasetReport as DatasetReport
from service.datasets.report.schemas import StoredRows as StoredRows
from service.datasets.report.schemas import TuningRows as TuningRows
from service.datasets.sources.schemas import AnySource
from service.jobs.lifecycle import State
from service.jobs.schemas import OutputState, output_state

if TYPE_CHECKING:  # the subprocess of a preview does without the database
    from service.datasets.models import Dataset as DatasetModel

TrainSize = Annotated[int, Field(ge=1, le=1_000_000)]
ColumnName = Annotated[str, Field(min_length=1, max_length=200)]

_EXAMPLES: list[JsonValue] = [
    {"preset": "pii", "source": {"type": "synthetic", "rows": 3000, "seed": 0}},
    {
        "preset": "sentiment",
        "source": {"type": "file", "file_id": "file_01jd5v0000000000000000000a"},
        "columns": {"sentiment": "label_text"},
        "train_sizes": [100, 400],
    },
    {
        "preset": "generic",
        "form": "preference",
        "source": {"type": "file", "file_id": "file_01jd5v0000000000000000000a"},
        "train_sizes": [200],
    },
    {
        "preset": "generic",
        "source": {"type": "gs", "uri": "gs://my-bucket/reviews.csv"},
        "template": {
            "instruction": "Name the product the review is about.",
            "text": "Review: {{review}}",
            "target": "{{product}}",
            "group": "{{author}}",
        },
    },
]


class PrepareSpec(BaseModel):
    """How to make a dataset: where rows come from and how many go where."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": _EXAMPLES}
    )

    preset: str = Field(max_length=50, json_schema_extra={"enum": list(PRESETS)})
    source: AnySource
    columns: dict[str, ColumnName] = Field(
        default={}, max_length=20, description="the preset's name of a column to the source's"
    )
    template: Template | None = Field(default=None, description="for the preset `generic` only")
    form: RowForm | None = Field(
        default=None,
        description="of rows that are chats, or with `preference` pairs of a chosen and a rejected "
        "answer, for the preset `generic` only",
    )
    labels: Annotated[tuple[Label, ...], Field(max_length=1000)] | Literal["train"] = Field(
        default=(),
        description="all there are, for `classification` and `pii`; `train`, for `pii`: those that "
        "the targets of the training split hold",
    )
    instruction: Annotated[str, Field(max_length=20_000)] | None = Field(
        default=None,
        description="in place of the preset's own; `{{labels}}` and `{{schema}}` stand for these",
    )
    squad: SquadOptions | None = Field(default=None, description="for the preset `squad`")
    target_schema: dict[str, JsonValue] | None = Field(
        default=None, description="JSON Schema of targets, for the preset `extraction`"
    )
    definition: PresetDefinition | None = Field(
        default=None,
        description="a preset of your own, as an object or as YAML text, with `preset: generic`",
    )
    group: ColumnName | None = Field(
        default=None,
        description="what a split keeps together, instead of the preset's own groups: a column, "
        "or `article` or `paragraph` with the preset `squad`",
    )
    train_sizes: tuple[TrainSize, ...] = Field(
        default=(50, 200, 800),
        min_length=1,
        max_length=12,
        description="rising; each training set begins the next",
    )
    test_size: int = Field(default=200, ge=1, le=100_000)
    validation_size: int = Field(default=0, ge=0, le=5000)
    seed: int = Field(default=0, ge=0, lt=2**31, description="another seed, another split")
    train_order: int = Field(
        default=0,
        ge=0,
        lt=1000,
        description="another number, other rows in each training set but the whole: the rows of "
        "all splits stay the same",
    )
    near_duplicates: float | None = Field(
        default=0.85,
        ge=0.5,
        le=1,
        description="Jaccard of runs of five characters from which two inputs are nearly the "
        "same; null looks for none",
    )
    max_characters: int | None = Field(
        default=None, ge=1, description="longer rows are left out: input and target together"
    )
    split_column: ColumnName | None = Field(
        default=None, description="a column that says train, validation, test or shot"
    )
    test_source: AnySource | None = Field(
        default=None, description="rows that are the test, all of them; `test_size` is not used"
    )
    validation_source: AnySource | None = None
    allow_leakage: bool = Field(
        default=False,
        description="allow held-out rows that leak; every score made from it will say so",
    )
    model: str | None = Field(
        default=None, max_length=128, description="whose limits and price apply, if not the default"
    )
    name: str = Field(default="", max_length=100)

    @field_validator("preset")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in PRESETS:
            raise PydanticCustomError("unknown_preset", "known: {known}", {"known": list(PRESETS)})
        return name

    @field_validator("definition", mode="before")
    @classmethod
    def _read_yaml(cls, definition: object) -> object:
        return read_definition(definition) if isinstance(definition, str) else definition

    @field_validator("target_schema")
    @classmethod
    def _understood(cls, schema: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        if schema is not None:
            check_schema(schema)
        return schema

    @model_validator(mode="after")
    def _size_as_defined(self) -> Self:
        if self.definition and "test_size" not in self.model_fields_set:
            # The model is frozen for everybody else.
            self.__dict__["test_size"] = self.definition.test_size
        return self

    @model_validator(mode="after")
    def _one_way_to_give_splits(self) -> Self:
        if self.split_column and (self.test_source or self.validation_source):
            raise ValueError("give splits by `split_column` or by sources, not by both")
        return self

    @field_validator("train_sizes")
    @classmethod
    def _rising(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if any(second <= first for first, second in pairwise(sizes)):
            raise ValueError("train sizes must rise")
        return sizes

    def make_preset(self) -> Preset:
        """Return the preset that the spec names or defines; raises what `choose_preset` raises."""
        return choose_preset(
            self.preset,
            template=self.template,
            columns=self.columns,
            form=self.form,
            labels=self.labels,
            target_schema=self.target_schema,
            instruction=self.instruction,
            squad=self.squad,
            definition=self.definition,
            group=self.group,
        )


class ConversionShardSpec(BaseModel):
    """A shard of a large source; written by its `prepare` job alone.

    `folder` of the object store has its `rows` and takes its result, under its `number`; `split`
    is where all of them belong; `model` is whose limits apply.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prepare: PrepareSpec
    model: str
    folder: str
    number: int
    rows: int
    split: Split | None


class SplitInfo(BaseModel):
    """A validation split has a file too: what a tuning validates on."""

    model_config = ConfigDict(frozen=True)

    rows: int
    groups: int
    key: str | None = None
    uri: str | None = None
    sha256: str | None = None
    pairs: StoredRows | None = Field(
        default=None, description="the same rows as pairs, where they are such"
    )


class Dataset(BaseModel):
    """Examples, split and converted. Made by a job; complete once `ready_at` is set."""

    model_config = ConfigDict(frozen=True)

    object: Literal["dataset"] = "dataset"
    id: str
    job: str
    state: OutputState
    preset: str
    instruction: str
    metrics: list[str] = Field(description="the first one is the primary one")
    splits: dict[Split, SplitInfo]
    training_files: dict[str, TuningRows] = Field(description="by train size")
    fingerprint: str | None = Field(description="SHA-256 over all examples")
    report: DatasetReport | None = Field(
        description="what became of every row; null in lists, and until it is ready"
    )
    schema_version: int
    created_at: datetime
    ready_at: datetime | None
    links: dict[str, str]


def present_dataset(row: "DatasetModel", *, job: State | None, in_list: bool = False) -> Dataset:
    """Return a row as HTTP shows it; `job` is the state of the job that makes it.

    `in_list` leaves the report out, which is most of a dataset.
    """
    return Dataset(
        id=row.id,
        job=row.job_id,
        state=output_state(job, ready=row.ready_at is not None),
        preset=row.preset,
        instruction=row.instruction,
        metrics=row.metrics,
        splits={Split(name): SplitInfo.model_validate(each) for name, each in row.splits.items()},
        training_files={
            size: TuningRows.model_validate(each) for size, each in row.training_files.items()
        },
        fingerprint=row.fingerprint,
        report=DatasetReport.model_validate(row.report) if row.report and not in_list else None,
        schema_version=row.schema_version,
        created_at=row.created_at,
        ready_at=row.ready_at,
        links={
            "self": f"/v1/datasets/{row.id}",
            "rows": f"/v1/datasets/{row.id}/rows",
            "report": f"/v1/datasets/{row.id}/report",
            "content": f"/v1/datasets/{row.id}/content",
        },
    )


class DatasetRow(BaseModel):
    """One example; `position` counts from 0 within its split, in nested order in `train`."""

    model_config = ConfigDict(frozen=True)

    object: Literal["dataset_row"] = "dataset_row"
    id: str
    split: Split
    position: int
    text: str
    target: str
    references: list[str]
    group: str
    label: str
    row: int = Field(description="number of the source's row")
    system: str = Field(default="", description="what the system says in this example only")
    history: list[Turn] = Field(default=[], description="turns before `text`")
    rejected: str = Field(
        default="", description="the answer that `target` was preferred to; empty without pairs"
    )
