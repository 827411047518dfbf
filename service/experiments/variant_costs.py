"""What the variants of an experiment cost: measured tokens, the catalogue's prices, the ledger."""

from collections.abc import Sequence

from service.catalogue.catalogue import Catalogue
from service.database import Sessions
from service.evaluation.queries import get_evaluation, mean_tokens, median_latency
from service.experiments.decisions.front import VariantCost, cost_of_calls
from service.experiments.variant_view import VariantView
from service.inference.ledger import used_by_job
from service.tuning.queries import get_model


def costs_of_variants(
    variants: Sequence[VariantView],
    *,
    project_id: str,
    catalogue: Catalogue,
    sessions: Sessions,
) -> dict[str, VariantCost]:
    """Return what each scored variant costs by its name, batch prices aside."""
    return {
        each.name: _cost(each, project_id=project_id, catalogue=catalogue, sessions=sessions)
        for each in variants
        if each.score is not None
    }


def _cost(
    variant: VariantView,
    *,
    project_id: str,
    catalogue: Catalogue,
    sessions: Sessions,
) -> VariantCost:
    evaluation, _ = get_evaluation(variant.evaluation, project_id=project_id, sessions=sessions)
    base_model = evaluation.base_model
    location = catalogue.serving_location(base_model)
    tuning: int | None = 0
    with sessions.reading() as session:
        prompt, output = mean_tokens(session, variant.evaluation)
        latency = median_latency(session, variant.evaluation)
    if variant.model is not None:
        model = get_model(variant.model, project_id=project_id, sessions=sessions)
        location = model.location or location
        with sessions.reading() as session:
            tuning = used_by_job(session, model.reused_from or model.job_id).cost_nano
    price = catalogue.price_of_calls(base_model, location=location, tuned=variant.model is not None)
    return VariantCost(
        prompt_tokens=prompt,
        output_tokens=output,
        per_thousand=cost_of_calls(price, prompt=prompt, output=output),
        tuning=tuning,
        latency_ms=latency,
    )
