"""The base models that an experiment tunes: each makes a learning curve of its own. Pure."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.catalogue.entry import BASE_MODEL_PATTERN
from service.catalogue.local_names import LOCAL
from service.inference.local.folders import LocalTask
from service.tuning.local_spec import DEFAULT_TRAINING, LocalTrainingSpec, provider_mistakes
from service.tuning.schemas import HyperparametersSpec, ProviderName

BaseModelName = Annotated[
    str,
    Field(
        pattern=BASE_MODEL_PATTERN,
        description="name of a base model",
        examples=["gemini-3.1-flash-lite"],
    ),
]


class TunedBaseSpec(BaseModel):
    """Another base model that is tuned on the same train sizes, here or at Google."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_model: BaseModelName
    provider: ProviderName = "vertex"
    hyperparameters: HyperparametersSpec = HyperparametersSpec()
    local: LocalTrainingSpec | None = Field(
        default=None, description="with the provider `local`: how it trains; null: as it sees fit"
    )

    @model_validator(mode="after")
    def _provider_has_its_own(self) -> Self:
        multiplier = self.hyperparameters.learning_rate_multiplier
        mistakes = provider_mistakes(
            self.provider,
            base_model=self.base_model,
            local=self.local,
            vertex_only={"hyperparameters.learning_rate_multiplier": multiplier},
        )
        for mistake in mistakes:
            raise ValueError(mistake)
        return self

    @property
    def trains_classifier(self) -> bool:
        return trains_classifier(self.provider, self.local)


def trains_classifier(provider: ProviderName, local: LocalTrainingSpec | None) -> bool:
    """Return whether a tuned model reads the text alone and answers with a label."""
    task = (local or DEFAULT_TRAINING).task
    return provider == LOCAL and task is LocalTask.SEQUENCE_CLASSIFICATION
