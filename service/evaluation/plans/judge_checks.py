"""Whether the models that judge answers or write prompts can be called. Pure."""

from service.catalogue.catalogue import Catalogue
from service.catalogue.checks import check_base_model
from service.evaluation.generation_schemas import GenerationConfig, PromptSearch


def check_judges(
    spec: GenerationConfig, search: PromptSearch | None, *, catalogue: Catalogue
) -> None:
    """Raise Invalid where one that is named is no base model that can be called."""
    named = {
        "/spec/verbal/model": spec.verbal and spec.verbal.model,
        "/spec/search/proposer": search and search.proposer,
    }
    for pointer, name in named.items():
        if name:
            check_base_model(
                catalogue, name, allow_unlisted=spec.allow_unlisted_model, pointer=pointer
            )
