"""Base models in words, where an experiment tunes several. Pure."""

from collections.abc import Iterable

from service.catalogue.local_names import provider_of, short_name
from service.evaluation.metrics.registry import find_score
from service.experiments.analysis import Analysis
from service.experiments.decisions.decision import PairedComparisons, rank
from service.experiments.difference_words import gap_words
from service.experiments.learning_curve.curve import Point


def model_words(base_model: str) -> str:
    """Return a base model with who tunes it, such as "local:gpt2 (local)"."""
    return f"{short_name(base_model)} ({provider_of(base_model)})"


def tuned_words(point: Point) -> str:
    """Return "on 200 examples", with the base model and its provider where several were tuned."""
    on = f"on {point.train_size:,} examples"
    return f"{model_words(point.base_model)} {on}" if point.base_model else on


def subject_words(point: Point) -> str:
    """Return "200 examples", with the base model and its provider where several were tuned."""
    examples = f"{point.train_size:,} examples"
    return f"{examples} for {model_words(point.base_model)}" if point.base_model else examples


def rival_clauses(analysis: Analysis) -> Iterable[str]:
    """Yield how the best size of each other base model stands beside the one that is chosen."""
    chosen, pairs = analysis.decision.candidate, PairedComparisons(analysis.comparisons)
    metric = find_score(analysis.curve.metric)
    for curve in analysis.rivals:
        best = next(iter(rank(curve.points, spec=metric)), None)
        name = model_words(curve.base_model)
        if best is None:
            yield f"{name} has no score"
            continue
        found = pairs.find(best, chosen)
        scores = (best.value, chosen.value) if chosen else None
        gap = f", {gap_words(found, scores=scores)} it" if found else ""
        doubt = ", not shown to differ" if found and not found.is_shown else ""
        yield f"{name} at its best scores {best.value:.1f} on {best.train_size:,}{gap}{doubt}"
