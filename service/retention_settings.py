"""Settings of how long each kind of data is kept."""

from pydantic import Field
from pydantic_settings import BaseSettings

_UNTIL = "days after which {} deleted with all that it left; `0`: kept until it is deleted"


class RetentionSettings(BaseSettings):
    """A part of `service.settings.Settings`. What something newer still needs waits for that."""

    file_days: float = Field(default=0, ge=0, description=_UNTIL.format("an uploaded file is"))
    dataset_days: float = Field(default=0, ge=0, description=_UNTIL.format("a dataset is"))
    model_days: float = Field(
        default=0, ge=0, description=_UNTIL.format("a tuned model is, at Google too,")
    )
    evaluation_days: float = Field(
        default=0,
        ge=0,
        description=_UNTIL.format("an evaluation with its predictions and cached answers is"),
    )
    experiment_days: float = Field(default=0, ge=0, description=_UNTIL.format("an experiment is"))
    job_days: float = Field(
        default=0, ge=0, description=_UNTIL.format("a job that has ended, with spec and errors, is")
    )
    cache_days: float = Field(
        default=30,
        ge=0,
        description="how long the answer to a request is used again; `0` turns the cache off",
    )
    delivery_days: float = Field(
        default=30, gt=0, description="how long webhook deliveries are kept"
    )
    event_days: float = Field(default=90, gt=0, description="how long events are kept")
    audit_days: float = Field(
        default=400, gt=0, description="how long entries of the audit trail are kept"
    )
