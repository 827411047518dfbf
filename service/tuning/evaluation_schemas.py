"""What crosses HTTP about a provider's own evaluations of a tuning's checkpoints."""

from pydantic import BaseModel, Field


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
