"""The body of `POST /v1/jobs`: one model for each kind, chosen by `kind`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.plans import PLAN_HASH_PATTERN
from service.datasets.schemas import PrepareSpec
from service.evaluation.schemas import EvaluateSpec
from service.experiments.schemas import ExperimentSpec
from service.jobs.schemas import LABEL_PATTERN, Budget
from service.money import AMOUNT_PATTERN, parse_dollars
from service.tuning.schemas import PollSpec, TuneSpec

_DEEPEST = 100
SubmittedKind = Literal["prepare", "tune", "poll", "evaluate", "experiment"]
LabelText = Annotated[
    str,
    Field(
        pattern=LABEL_PATTERN,
        description="up to 63 of lower-case letters, digits, spaces and _ . @ ( ) -, of which the "
        "first is a letter or digit",
        examples=["support"],
    ),
]


def storable(value: Any) -> Any:
    """Return JSON unchanged; raises ValueError for text and numbers no database stores.

    PostgreSQL refuses NUL in text, UTF-8 has no lone surrogates, columns are of 64 bits. What is
    nested deeper than any of our bodies would use up the interpreter's stack.
    """
    _require_storable(value, _DEEPEST)
    return value


def _require_storable(value: Any, deepest: int) -> None:
    if not deepest:
        raise ValueError(f"lists and objects are nested {_DEEPEST} deep at most")
    match value:
        case str():
            if "\0" in value or any("\ud800" <= each <= "\udfff" for each in value):
                raise ValueError("text may hold neither NUL nor lone surrogates")
        case int():
            if abs(value) >= 1 << 63:
                raise ValueError("whole numbers have up to 64 bits")
        case dict():
            for name, each in value.items():
                _require_storable(name, deepest)
                _require_storable(each, deepest - 1)
        case list():
            for each in value:
                _require_storable(each, deepest - 1)
        case _:
            pass


class _JobRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: dict[LabelText, LabelText] = Field(
        default={}, max_length=16, description="yours, to find the job by"
    )

    _storable = model_validator(mode="before")(storable)


class _BudgetedRequest(_JobRequest):
    budget: Budget | None = Field(
        default=None, description="the most that the job may spend with all its children"
    )


class EvaluationRetry(_BudgetedRequest):
    """The job that asks failed rows again."""


class PayingRequest(_BudgetedRequest):
    """A job that costs money: it may be bound to its plan."""

    plan: str | None = Field(
        default=None,
        pattern=PLAN_HASH_PATTERN,
        description="`hash` of a dry run: the job is refused where its plan has changed since",
    )
    max_cost: str | None = Field(
        default=None,
        pattern=AMOUNT_PATTERN,
        description="dollars: the job is refused where its plan may cost more; its budget, where "
        "`budget` gives none",
        examples=["5.00"],
    )
    approval: bool = Field(
        default=False, description="wait for `POST /v1/jobs/{job_id}/approve` before anything runs"
    )


class PrepareRequest(_JobRequest):
    """Make a dataset."""

    kind: Literal["prepare"]
    spec: PrepareSpec


class TuneRequest(PayingRequest):
    """Tune a model on a dataset."""

    kind: Literal["tune"]
    spec: TuneSpec


class PollRequest(_JobRequest):
    """Attach to a tuning that exists at the provider."""

    kind: Literal["poll"]
    spec: PollSpec


class EvaluateRequest(PayingRequest):
    """Score one variant on a dataset."""

    kind: Literal["evaluate"]
    spec: EvaluateSpec


class ExperimentRequest(PayingRequest):
    """Draw a learning curve."""

    kind: Literal["experiment"]
    spec: ExperimentSpec


AnyRequest = PrepareRequest | TuneRequest | PollRequest | EvaluateRequest | ExperimentRequest


Submitted = Annotated[AnyRequest, Field(discriminator="kind")]


def budget_nano_of(body: AnyRequest) -> int | None:
    """Return what a job may spend in nano-dollars; None without a budget."""
    budget = getattr(body, "budget", None)
    amount = budget.amount if budget else getattr(body, "max_cost", None)
    return None if amount is None else parse_dollars(amount)
