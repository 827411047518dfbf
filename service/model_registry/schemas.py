"""What crosses HTTP about aliases, and about where a model came from."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.ids import Prefix, example_id, id_pattern
from service.tuning.schemas import Model

_COMPARISON: dict[str, Any] = {
    "dataset": example_id(Prefix.DATASET),
    "metric": "sacrebleu",
    "evaluation": example_id(Prefix.EVALUATION),
    "previous_evaluation": example_id(Prefix.EVALUATION),
    "difference": 1.2,
    "low": -0.3,
    "high": 2.7,
    "p_value": 0.11,
    "rows": 200,
    "groups": 180,
    "coverage": 1.0,
    "method": "jackknife over 180 groups, t with 131.6 degrees of freedom",
    "verdict": "not_shown_to_be_worse",
}
_ALIAS: dict[str, Any] = {
    "object": "alias",
    "name": "pii@best",
    "model": example_id(Prefix.MODEL),
    "updated_at": "2026-11-21T08:00:00Z",
}


class ModelComparison(BaseModel):
    """Two models on the same test rows by the same metric; positive: the new one is better.

    The interval is of 95 %.
    """

    dataset: str = Field(description="whose test rows both have answered")
    metric: str = Field(description="the primary metric of both evaluations")
    evaluation: str = Field(description="of the new model")
    previous_evaluation: str = Field(description="of the model that the alias stood for")
    difference: float = Field(description="of the scores, on the metric's scale")
    low: float | None = Field(description="lower end of its interval; null: fewer than two groups")
    high: float | None = Field(description="upper end of its interval; null: fewer than two groups")
    p_value: float | None = Field(description="null: fewer than two groups")
    rows: int = Field(description="that both have answered")
    groups: int = Field(description="that these rows come from")
    coverage: float = Field(description="share of the test rows that both have answered")
    method: str = Field(description="of the test")
    verdict: Literal["worse", "not_shown_to_be_worse"] = Field(
        description="`worse`: shown at the level of 5 %, whatever rows without an answer would be"
    )


class AliasChange(BaseModel):
    """Which model an alias is to stand for."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"model": example_id(Prefix.MODEL)}]},
    )

    model: str = Field(pattern=id_pattern(Prefix.MODEL), description="a model that is ready")
    force: bool = Field(
        default=False, description="move it although the model is worse, or was not compared"
    )


class AliasView(BaseModel):
    """A name that stands for a model, wherever a model's id is taken."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ALIAS]})

    object: Literal["alias"] = "alias"
    name: str = Field(description="such as `pii@best`; unique in the project")
    model: str = Field(description="id of the model that it stands for")
    updated_at: datetime = Field(description="when it moved last")


class AliasMoveView(BaseModel):
    """One move of an alias."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "object": "alias_move",
                    "id": example_id(Prefix.ALIAS_MOVE),
                    "alias": "pii@best",
                    "model": example_id(Prefix.MODEL),
                    "previous": example_id(Prefix.MODEL),
                    "forced": False,
                    "comparison": _COMPARISON,
                    "key": example_id(Prefix.KEY),
                    "created_at": "2026-11-21T08:00:00Z",
                }
            ]
        },
    )

    object: Literal["alias_move"] = "alias_move"
    id: str = Field(description="of this move")
    alias: str = Field(description="name of the alias")
    model: str | None = Field(description="that it stood for since; null: the alias was deleted")
    previous: str | None = Field(description="that it stood for before; null: none")
    forced: bool = Field(description="moved by `force`, whatever the comparison says")
    comparison: ModelComparison | None = Field(description="null: nothing was compared")
    key: str | None = Field(description="id of the key that moved it")
    created_at: datetime = Field(description="when it moved")


class TuningOrigin(BaseModel):
    """The tuning run that made a model."""

    id: str = Field(description="of the record; it is the label of the tuning at the provider")
    job: str = Field(description="id of the job that paid for it, or attached to it")
    resource: str | None = Field(description="name of the tuning at the provider")
    state: str = Field(description="of the tuning")
    attached: bool = Field(description="started by others, and followed by a `poll` job")
    submitted_at: datetime | None = Field(description="when it was sent")
    finished_at: datetime | None = Field(description="when its end was seen")


class DatasetOrigin(BaseModel):
    """The rows that a model was trained on."""

    id: str = Field(description="of the dataset")
    fingerprint: str | None = Field(description="hash of all that the dataset was made of")
    training_sha256: str | None = Field(description="of the training file")
    validation_sha256: str | None = Field(description="of the validation file; null without one")
    train_size: int | None = Field(description="rows of the training file")


class BaseModelOrigin(BaseModel):
    """The base model, as the catalogue knows it."""

    name: str = Field(description="name of the base model")
    family: str = Field(description="generation of models that it belongs to; empty: not known")
    state: str | None = Field(description="tunable, serving_only or retired; null: not known")
    retires: date | None = Field(description="date of retirement; null: not known")


class Lineage(BaseModel):
    """Where a model came from: tuning run, dataset, base model."""

    tuning_run: TuningOrigin | None = Field(description="null: its record is gone")
    dataset: DatasetOrigin | None = Field(description="null: not a dataset of ours")
    base_model: BaseModelOrigin = Field(description="that was tuned, in the end")


class SdkHandle(BaseModel):
    """What Google's own client takes."""

    endpoint: str = Field(description="the endpoint's resource name")
    location: str = Field(description="the client's location: the endpoint answers nowhere else")
    project: str = Field(description="the client's project")
    python: str = Field(description="a program that asks the model, without Tunecurve")


class Retirement(BaseModel):
    """When the base model retires; the tuned model then answers no more."""

    retires: date = Field(description="of the retirement")
    days_left: int = Field(description="until then; negative: it is past")
    due: bool = Field(description="at most 90 days away")
    message: str = Field(description="for people")
    source: str = Field(description="where the catalogue has it from")
    as_of: str = Field(description="when that was read")


class ModelDetail(Model):
    """A tuned model with where it came from, what it is called, and how long it will answer."""

    aliases: list[str] = Field(description="names that stand for it")
    lineage: Lineage = Field(description="what it was made of")
    sdk: SdkHandle | None = Field(description="null: it has no endpoint at Google")
    retirement: Retirement | None = Field(description="null: no date is known")


def present_detail(
    model: Model,
    *,
    aliases: Sequence[str],
    lineage: Lineage,
    sdk: SdkHandle | None,
    retirement: Retirement | None,
) -> ModelDetail:
    """Return a model with all that the registry knows of it."""
    return ModelDetail(
        **dict(model),
        aliases=list(aliases),
        lineage=lineage,
        sdk=sdk,
        retirement=retirement,
    )
