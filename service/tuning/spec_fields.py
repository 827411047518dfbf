"""Fields of a `tune` job's spec that follow Google's rules for names, labels and evaluations."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.ids import MODEL_OR_ALIAS_PATTERN

RESERVED_LABELS = "tunecurve-"
_LABEL_RULES = (
    "up to 63 of lower-case letters, digits, _ and -; a key begins with a letter, and not with "
    f"`{RESERVED_LABELS}`, which is ours"
)
_KEY = re.compile(r"[^\W\d_][\w-]{0,62}")
_VALUE = re.compile(r"[\w-]{0,63}")


def _label_key(key: str) -> str:
    if not _KEY.fullmatch(key) or key != key.lower() or key.startswith(RESERVED_LABELS):
        raise ValueError(f"a label key has {_LABEL_RULES}")
    return key


def _label_value(value: str) -> str:
    if not _VALUE.fullmatch(value) or value != value.lower():
        raise ValueError(f"a label value has {_LABEL_RULES}")
    return value


# Google allows 64 of a resource, some of which are ours.
ProviderLabels = Annotated[
    dict[Annotated[str, AfterValidator(_label_key)], Annotated[str, AfterValidator(_label_value)]],
    Field(
        max_length=56,
        description=f"of the tuning at the provider: keys and values of {_LABEL_RULES}",
        examples=[{"team": "support"}],
    ),
]
ServiceAccount = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9.-]{1,100}@[a-z0-9.-]{1,150}\.gserviceaccount\.com$",
        examples=["tuner@my-project.iam.gserviceaccount.com"],
    ),
]
KmsKeyName = Annotated[
    str,
    Field(
        pattern=r"^projects/[^/\s]+/locations/[a-z0-9-]{1,40}/keyRings/[A-Za-z0-9_-]{1,63}"
        r"/cryptoKeys/[A-Za-z0-9_-]{1,63}$",
        max_length=400,
        examples=["projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"],
    ),
]
ComputedMetric = Literal["exact_match", "bleu", "rouge1", "rouge2", "rougeL", "rougeLsum"]


class ContinueFromSpec(BaseModel):
    """A tuned model to tune further, in place of a base model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        pattern=MODEL_OR_ALIAS_PATTERN,
        description="a model of the project, ready or reserved, or its alias",
    )
    checkpoint: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{1,50}$",
        description="id of one of its checkpoints; its last one without",
        examples=["2"],
    )


class AutoraterSpec(BaseModel):
    """The model that judges answers by the prompts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(
        default=None,
        pattern=r"^projects/[^/\s]{1,100}/locations/[a-z0-9-]{1,40}/publishers/google/models"
        r"/[a-z0-9][a-z0-9.@_-]{0,127}$",
        max_length=400,
        description="the whole name of a model of Google's; the provider's without one",
    )
    samples: int = Field(default=4, ge=1, le=32, description="judgements for each answer")


class ProviderEvaluationSpec(BaseModel):
    """Have the provider evaluate every checkpoint on the validation rows.

    A preview at Google, which writes the results under `output_uri`. Tunecurve's own evaluations
    do not need it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metrics: tuple[ComputedMetric, ...] = Field(
        default=(), max_length=6, description="metrics that are computed"
    )
    prompts: tuple[Annotated[str, Field(min_length=1, max_length=20_000)], ...] = Field(
        default=(),
        max_length=10,
        description="templates of prompts, by each of which a model judges every answer",
    )
    output_uri: str = Field(
        pattern=r"^gs://[a-z0-9][a-z0-9._-]{1,220}(/\S*)?$",
        max_length=1200,
        description="where the results go: in a bucket that the project may use",
        examples=["gs://my-bucket/evaluations"],
    )
    autorater: AutoraterSpec = Field(
        default=AutoraterSpec(), description="who judges by the prompts"
    )
    max_output_tokens: int | None = Field(
        default=None, ge=1, le=65_536, description="of one answer of a checkpoint"
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="of the answers of a checkpoint"
    )

    @model_validator(mode="after")
    def _measures_something(self) -> Self:
        if not (self.metrics or self.prompts):
            raise ValueError("name `metrics` or `prompts` to evaluate by")
        return self
