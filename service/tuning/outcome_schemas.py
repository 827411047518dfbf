"""What came of a tuning at its provider, as HTTP shows it: plan and bill, scores of checkpoints."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from service.money import dollars_or_none


class TrainingUse(BaseModel):
    """What a tuning uses; null where it is not known."""

    epochs: int | None = Field(description="how often all rows are seen")
    examples: int | None = Field(description="rows of the training file")
    steps: int | None = Field(default=None, description="as the provider counts them")
    tokens: int | None = Field(description="of all epochs")
    amount: str | None = Field(description="decimal string of US dollars, by the catalogue")


class TrainingPlan(TrainingUse):
    """What was expected when the tuning was sent."""

    low: str | None = Field(description="decimal string: the least that was likely")
    high: str | None = Field(description="decimal string: the most that was likely")
    epochs_assumed: bool = Field(description="the provider was left to choose the epochs")


class TrainingBilled(TrainingUse):
    """What the tuning has used, as the provider reported it."""

    counted: bool = Field(description="false: the provider reported no tokens, and the plan counts")


class RowFinding(BaseModel):
    """What the provider says of the rows that the dataset's report does not."""

    code: str = Field(description="stable name of what differs")
    message: str = Field(description="one sentence")


class ModelBilling(BaseModel):
    """Plan and bill of the tuning, side by side."""

    planned: TrainingPlan = Field(description="when the tuning was sent")
    billed: TrainingBilled = Field(description="when it had ended")
    ratio: float | None = Field(description="billed by planned cost; null where one is unknown")
    findings: list[RowFinding] = Field(description="where counts of rows differ")


def present_billing(kept: Mapping[str, Any]) -> ModelBilling:
    """Return what `operations` has kept with a model."""
    planned, billed = kept["planned"], kept["billed"]
    expected, paid = planned.get("nano"), billed["nano"]
    return ModelBilling(
        planned=TrainingPlan(
            epochs=planned.get("epochs"),
            examples=planned.get("examples"),
            tokens=planned.get("tokens"),
            amount=dollars_or_none(expected),
            low=dollars_or_none(planned.get("low_nano")),
            high=dollars_or_none(planned.get("high_nano")),
            epochs_assumed=bool(planned.get("epochs_assumed")),
        ),
        billed=TrainingBilled(
            **{name: billed[name] for name in ("epochs", "examples", "steps", "tokens", "counted")},
            amount=dollars_or_none(paid),
        ),
        ratio=round(paid / expected, 4) if paid is not None and expected else None,
        findings=[RowFinding(code=code, message=message) for code, message in kept["findings"]],
    )


class ProviderScore(BaseModel):
    """A score over the validation rows, on the provider's scale."""

    metric: str = Field(
        description="exact_match, bleu, rouge, or pointwise where a model judged; types of ROUGE "
        "and prompts come in the order in which the spec names them"
    )
    aggregation: str = Field(description="how the scores of rows became one: average and so on")
    value: float = Field(description="of computed metrics 0 to 1; of a judge its own grade")


class ProviderCheckpointScores(BaseModel):
    """What the provider found of a checkpoint when the tuning ended; no score of ours."""

    checkpoint: str | None = Field(description="its id; null where the provider names none")
    scores: list[ProviderScore] = Field(description="one a metric, in the order of the spec")
    output_uri: str | None = Field(description="where the provider wrote the rows")
    error: str | None = Field(description="why scores are missing")
