"""All that an experiment's rows say: curve, comparisons, decision, costs, and what to buy. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from service.catalogue.local_names import provider_of
from service.evaluation.metrics.registry import find_score
from service.evaluation.statistics.comparison import (
    Comparison,
    SharedRows,
    VariantScores,
    compare,
)
from service.evaluation.statistics.power import detectable_difference
from service.evaluation.statistics.selection import score_of_chosen
from service.experiments.decisions.decision import (
    Decision,
    RankedVariant,
    compare_all,
    decide,
    rank_variants,
)
from service.experiments.decisions.front import VariantCost, pareto_front, pays_off_from
from service.experiments.decisions.laps import RaceResult, race_result
from service.experiments.decisions.next_steps import NextStep, next_steps
from service.experiments.learning_curve.curve import (
    LearningCurve,
    Point,
    best_tuned,
    learning_curve,
)
from service.experiments.learning_curve.tuning_luck import TuningLuck, tuning_luck
from service.experiments.schemas import ExperimentSpec
from service.money import dollars_or_none, parse_dollars

# Of all that is computed from rows, scores, intervals and wording included: raise it with any
# change of these, so that a bundle made before is not taken for one that was changed.
STATISTICS_VERSION = 5


@dataclass(frozen=True, slots=True)
class Analysis:
    """`score_of_best` is what the best variant is expected to score on rows that did not choose
    it. `front` names the variants worth choosing by score and cost, cheapest first; None where a
    price is not known. `pays_off_from` counts calls a month. `extends` names the experiment whose
    variants were compared before. `replicate_by` says what replicates differ in. `rivals` are the
    curves of the other base models that were tuned.
    """

    curve: LearningCurve
    comparisons: Sequence[Comparison]
    decision: Decision
    score_of_best: float | None
    costs: Mapping[str, VariantCost]
    front: tuple[str, ...] | None
    pays_off_from: int | None
    next_steps: tuple[NextStep, ...]
    ranking: tuple[RankedVariant, ...] = ()
    race: RaceResult | None = None
    extends: str | None = None
    replicate_by: Literal["seed", "subset"] = "seed"
    rivals: tuple[LearningCurve, ...] = ()


def analyse(
    metric: str,
    points: Sequence[Point],
    scores: Sequence[VariantScores],
    *,
    test: SharedRows,
    costs: Mapping[str, VariantCost],
    spec: ExperimentSpec,
) -> Analysis:
    """Analyse the variants of an experiment; the same input gives the same answer."""
    again = {each.name: each for each in points if each.replicate}
    first = [each for each in scores if each.name not in again]

    def luck_of(base_model: str) -> TuningLuck | None:
        own = {name: each for name, each in again.items() if each.base_model == base_model}
        return tuning_luck(_repeated(scores, own, test=test), scale=test.scale)

    def curve_of(variants: Sequence[Point], base_model: str) -> LearningCurve:
        return learning_curve(
            metric,
            variants,
            worthwhile_gain=spec.worthwhile_gain,
            ahead=spec.extrapolation,
            seed=spec.seed,
            luck=luck_of(base_model),
        )

    best = best_tuned(points, metric=metric)
    curve = curve_of(points, best.base_model if best else "")
    found = conclude(
        curve,
        compare_all(
            first, test=test, prompts={each.name for each in points if not each.kind.is_tuned}
        ),
        score_of_best=score_of_chosen(first, test=test, seed=spec.seed),
        costs=costs,
        tolerance=spec.tolerance,
        label_nano=parse_dollars(spec.label_price or "0"),
    )
    rivals = tuple(
        curve_of([each for each in points if each.base_model in {"", other}], other)
        for other in dict.fromkeys(each.base_model for each in points if each.kind.is_tuned)
        if other != curve.base_model
    )
    race = race_result(points, costs, rows=len(test.groups)) if spec.racing else None
    return replace(
        found, extends=spec.extend, replicate_by=spec.replicate_by, rivals=rivals, race=race
    )


def _repeated(
    scores: Sequence[VariantScores], again: Mapping[str, Point], *, test: SharedRows
) -> list[Comparison]:
    """Compare each replicate with the first tuning that was asked for the same."""
    known = {each.name: each for each in scores}
    pairs = [(each, known.get(name.rpartition(" #")[0])) for name, each in known.items()]
    return [
        compare(each, first, test=test)
        for each, first in pairs
        if first is not None and each.name in again
    ]


def conclude(
    curve: LearningCurve,
    comparisons: Sequence[Comparison],
    *,
    score_of_best: float | None,
    costs: Mapping[str, VariantCost],
    tolerance: float,
    label_nano: int,
) -> Analysis:
    """Decide from a curve and its comparisons, and say what it costs and what to buy next."""
    decision = decide(curve, comparisons, tolerance=tolerance)
    chosen, prompt = (
        costs.get(point.name) if point else None
        for point in (decision.candidate, decision.best_prompt)
    )
    points = (*curve.baselines, *curve.points, *curve.others)
    return Analysis(
        curve=curve,
        comparisons=comparisons,
        decision=decision,
        score_of_best=score_of_best,
        costs=costs,
        front=pareto_front(points, costs, spec=find_score(curve.metric)),
        pays_off_from=pays_off_from(chosen, prompt) if chosen and prompt else None,
        next_steps=next_steps(curve, decision, costs, label_nano=label_nano),
        ranking=rank_variants(points, comparisons, spec=find_score(curve.metric)),
    )


def analysis_json(analysis: Analysis) -> dict[str, Any]:
    """Return an analysis as it is stored and shown; money as decimal strings."""
    curve, decision = analysis.curve, analysis.decision
    return {
        "statistics_version": STATISTICS_VERSION,
        "metric": curve.metric,
        "base_model": curve.base_model,
        "verdict": curve.verdict.value,
        "points": [asdict(point) for point in curve.points],
        "baselines": [asdict(point) for point in curve.baselines],
        "others": [asdict(point) for point in curve.others],
        "replicates": [asdict(point) for point in curve.replicates],
        "tuning_error": curve.tuning_error,
        "tuning_error_measured": curve.tuning_error_measured,
        "replicate_by": analysis.replicate_by,
        "fit": asdict(curve.fit) if curve.fit else None,
        "worthwhile_gain": curve.worthwhile_gain,
        "decision": _decision_json(decision, tests=len(analysis.comparisons))
        | {"score_of_best": analysis.score_of_best},
        "comparisons": [
            asdict(each) | {"is_shown": each.is_shown} for each in analysis.comparisons
        ],
        "costs": {name: _cost_json(cost) for name, cost in analysis.costs.items()},
        "front": analysis.front,
        "pays_off_from": analysis.pays_off_from,
        "next_steps": [_step_json(step) for step in analysis.next_steps],
        "race": analysis.race and _race_json(analysis.race),
        "ranking": [_ranked_json(each) for each in analysis.ranking],
        "rivals": [_rival_json(each) for each in analysis.rivals],
    }


def _rival_json(curve: LearningCurve) -> dict[str, Any]:
    return {
        "base_model": curve.base_model,
        "provider": provider_of(curve.base_model),
        "verdict": curve.verdict.value,
        "points": [asdict(point) for point in curve.points],
        "fit": asdict(curve.fit) if curve.fit else None,
        "tuning_error": curve.tuning_error,
        "tuning_error_measured": curve.tuning_error_measured,
    }


def _decision_json(decision: Decision, *, tests: int) -> dict[str, Any]:
    against, within = decision.against_prompt, decision.against_best
    return {
        "worth": decision.worth.value,
        "recommended_size": decision.recommended and decision.recommended.train_size,
        "basis": decision.basis and decision.basis.value,
        "candidate_size": decision.candidate and decision.candidate.train_size,
        "best_size": decision.best and decision.best.train_size,
        "best_prompt": decision.best_prompt and decision.best_prompt.name,
        "beats_prompt_from": decision.beats_prompt_from,
        "rows_needed": decision.rows_needed,
        "size_rows_needed": decision.size_rows_needed,
        "detectable_difference": against and detectable_difference(against, tests=tests),
        "as_good_within": within and within.high,
    }


def _cost_json(cost: VariantCost) -> dict[str, Any]:
    return {
        "prompt_tokens": cost.prompt_tokens,
        "output_tokens": cost.output_tokens,
        "per_thousand_calls": dollars_or_none(cost.per_thousand),
        "tuning": dollars_or_none(cost.tuning),
        "latency_ms": cost.latency_ms,
    }


def _race_json(race: RaceResult) -> dict[str, Any]:
    saved = dollars_or_none(race.saved_nano)
    return {
        "looks": race.looks,
        "stopped": list(race.stopped),
        "rows_saved": race.rows_saved,
        "saved": saved,
    }


def _ranked_json(ranked: RankedVariant) -> dict[str, Any]:
    found = ranked.to_best
    return {
        "rank": ranked.rank,
        "name": ranked.name,
        "value": ranked.value,
        "below_best": found and found.difference,
        "low": found and found.low,
        "high": found and found.high,
        "adjusted_p": found and found.adjusted_p,
        "is_worse": ranked.is_worse,
    }


def _step_json(step: NextStep) -> dict[str, Any]:
    shown = asdict(step)
    cost, labels = shown.pop("cost_nano"), shown.pop("labels_nano")
    return shown | {"cost": dollars_or_none(cost), "labels_cost": dollars_or_none(labels)}
