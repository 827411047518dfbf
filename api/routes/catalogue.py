"""The catalogue of base models, as this installation uses it."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.auth import Reader
from api.dependencies import Services
from api.openapi import answers
from service.catalogue.checks import warnings_about
from service.catalogue.entry import ModelEntry
from service.clock import utc_now

router = APIRouter(prefix="/v1/models/catalogue", tags=["models"])

_SOURCE = {"source": "docs.cloud.google.com", "as_of": "2026-09-25"}
_ENTRY: dict[str, Any] = {
    "name": "gemini-3.1-flash-lite",
    "family": "gemini-3",
    "lifecycle": {
        **_SOURCE,
        "state": "tunable",
        "retires": "2027-05-07",
        "retired": None,
        "extended_until": None,
    },
    "tuning": {
        **_SOURCE,
        "regions": ["us-central1", "europe-west4"],
        "adapter_sizes": [1, 2, 4, 8, 16],
        "methods": ["supervised", "continuous"],
    },
    "epochs": {
        **_SOURCE,
        "assumed": 40,
        "assumed_rows": 6640,
        "assumed_least": 2,
        "observed": [{"rows": 166, "epochs": 40}],
    },
    "serving": {
        **_SOURCE,
        "base": ["global", "us", "eu"],
        "tuned": ["us", "eu"],
        "batch_base": True,
        "batch_tuned": False,
    },
    "limits": {
        **_SOURCE,
        "tokens_per_example": 131_072,
        "training_rows": 10_000_000,
        "file_bytes": 1_000_000_000,
        "validation_rows": 5000,
        "validation_rows_free": 1000,
        "validation_share": 0.3,
        "advised_rows": 100,
    },
    "sampling": {
        **_SOURCE,
        "temperature": "honoured",
        "top_p": "honoured",
        "top_k": "honoured",
        "seed": "unknown",
    },
    "thinking": {**_SOURCE, "setting": {"thinkingLevel": "MINIMAL"}},
    "prices": None,
    "serving_location": "us",
    "tuned_location": "us",
}
_EXAMPLE: dict[str, Any] = {
    "object": "model_catalogue",
    "tuning_location": "us-central1",
    "default": {"base_model": "gemini-3.1-flash-lite", "warnings": []},
    "data": [_ENTRY],
}


class ListedModel(ModelEntry):
    """All that is known of one base model, and where this installation calls it."""

    serving_location: str = Field(description="where the base model is called")
    tuned_location: str = Field(description="where models tuned from it answer")


class CatalogueWarning(BaseModel):
    code: str
    message: str


class DefaultModel(BaseModel):
    """What is used where a job names no base model, and what speaks against it today."""

    base_model: str
    warnings: list[CatalogueWarning]


class ModelCatalogue(BaseModel):
    """The shipped facts, merged with those of the installation."""

    object: Literal["model_catalogue"] = "model_catalogue"
    tuning_location: str = Field(description="where this installation tunes")
    default: DefaultModel
    data: list[ListedModel]


@router.get(
    "",
    operation_id="getModelCatalogue",
    summary="What is known of base models, with source and date",
    responses=answers(_EXAMPLE),
)
def get_catalogue(_principal: Reader, container: Services) -> ModelCatalogue:
    """The shipped facts, merged with those of the file that `TUNECURVE_CATALOGUE` names."""
    catalogue, base_model = container.catalogue, container.settings.base_model
    found = warnings_about(catalogue, base_model, today=utc_now().date())
    return ModelCatalogue(
        tuning_location=catalogue.places.tuning,
        default=DefaultModel(
            base_model=base_model,
            warnings=[CatalogueWarning(code=code, message=message) for code, message in found],
        ),
        data=[
            ListedModel(
                **dict(entry),
                serving_location=catalogue.serving_location(entry.name),
                tuned_location=catalogue.tuned_location(entry.name),
            )
            for entry in catalogue
        ],
    )
