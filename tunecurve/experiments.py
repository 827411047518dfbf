"""How experiments are shown: their variants side by side, what failed, and the answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from tunecurve.money import price_text
from tunecurve.output import Column, interval_text, render_table, score_text, share_text, wrapped

Json = Mapping[str, Any]


def describe_experiment(experiment: Json) -> str:
    """Return an experiment for people: the table of its variants, what failed, the answer."""
    mark = "  SYNTHETIC (Google was emulated)" if experiment["synthetic"] else ""
    failures = [
        f"{variant['name']}: {_failure(variant['error'])}"
        for variant in experiment["variants"]
        if variant.get("error")
    ]
    lines = [
        f"Experiment {experiment['id']}{mark}",
        "",
        render_table(_columns(experiment), experiment["variants"]),
        *_notes(experiment),
        *failures,
        *_confidence(experiment),
        *_judges(experiment),
        "",
        wrapped(f"Answer: {experiment['answer'] or 'none yet'}"),
    ]
    return "\n".join(lines)


def _confidence(experiment: Json) -> list[str]:
    rows = [
        {**report, "variant": variant["name"]}
        for variant in experiment["variants"]
        for report in variant.get("confidence") or ()
    ]
    return ["", confidence_table(rows)] if rows else []


def _judges(experiment: Json) -> list[str]:
    rows = [
        {**variant["judge"], "variant": variant["name"]}
        for variant in experiment["variants"]
        if variant.get("judge")
    ]
    preference = (experiment.get("self_preference") or {}).get("value")
    said = "" if preference is None else f"The judge's preference for its own: {preference:+.1f}"
    return ["", judge_table(rows), *filter(None, [said])] if rows else []


def describe_evaluation(evaluation: Json) -> str:
    """Return an evaluation for people: its scores, and what confidence is worth."""
    mark = "  SYNTHETIC (Google was emulated)" if evaluation["synthetic"] else ""
    model = evaluation["model"] or evaluation["base_model"]
    lines = [
        f"Evaluation {evaluation['id']}{mark}",
        f"{evaluation['variant']} of {model} on {evaluation['dataset']}: {evaluation['state']}",
        "",
        render_table(_SCORES, evaluation["metrics"]),
    ]
    if sure := evaluation.get("confidence"):
        rows = [{**report, "variant": evaluation["variant"]} for report in sure]
        lines += ["", confidence_table(rows)]
    if judge := evaluation.get("judge"):
        lines += ["", judge_table([{**judge, "variant": evaluation["variant"]}])]
    if search := evaluation.get("prompt_search"):
        lines += ["", f"Best prompt ({search['shots']} shots):", search["instruction"]]
    found = evaluation.get("findings") or ()
    lines += [f"Finding {each['code']}: {each['rows']} {each['message']}" for each in found]
    return "\n".join(lines)


_SCORES: Mapping[str, Column] = {
    "METRIC": lambda score: score["metric"],
    "BY": lambda score: {"judge": "a judge", "vertex": "Vertex AI"}.get(score.get("source", "")),
    "SCORE": lambda score: score_text(score["value"]),
    "95 % INTERVAL": lambda score: interval_text(score["low"], score["high"]),
    "COVERAGE": lambda score: share_text(score["coverage"]),
    "ROWS": lambda score: score["rows"],
    "GROUPS": lambda score: score.get("groups"),
}


def judge_table(rows: Sequence[Json]) -> str:
    """Return reports of judges as a table; each row names its variant."""
    columns: Mapping[str, Column] = {
        "VARIANT": lambda row: row["variant"],
        "JUDGE": lambda row: f"{row['model']}{' (own family)' if row['same_family'] else ''}",
        "ROWS": lambda row: row["rows"],
        "RETEST KAPPA": lambda row: score_text(row["retest_kappa"]),
        "POSITION BIAS": lambda row: _estimate(row["position_bias"]),
        "LABELLED": lambda row: (row["calibration"] or {}).get("rows", 0),
        "KAPPA TO PEOPLE": lambda row: _estimate((row["calibration"] or {}).get("kappa")),
        "LENIENCY": lambda row: _estimate((row["calibration"] or {}).get("leniency")),
        "LENGTH BIAS": lambda row: _estimate((row["calibration"] or {}).get("length_bias")),
        "CAUTION": lambda row: row["caution"] or (row["calibration"] or {}).get("caution"),
    }
    return render_table(columns, rows)


def _estimate(found: Json | None) -> str | None:
    if not found or found["value"] is None:
        return None
    if found["low"] is None:
        return f"{found['value']:.2f}"
    return f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"


def confidence_table(rows: Sequence[Json]) -> str:
    """Return reports of confidence as a table; each row names its variant."""
    columns: Mapping[str, Column] = {
        "VARIANT": lambda row: row["variant"],
        "CONFIDENCE": lambda row: row["source"],
        "ROWS": lambda row: row["rows"],
        "ECE": lambda row: score_text(row["ece"]),
        "AUROC": lambda row: score_text(row["auroc"]),
        "GO OUT UNSEEN": _automated,
    }
    return render_table(columns, rows)


def _automated(row: Json) -> str:
    if not row["used"]:
        return f"not used: {row['caution']}"
    return "; ".join(map(_automation, row["automation"]))


def _automation(found: Json) -> str:
    promise = f"{100 * found['target']:g} % {found['goal'].replace('_', ' ')}"
    if found["precision"] is None:
        return f"none at {promise}"
    interval = f"[{found['share_low']:.0%}, {found['share_high']:.0%}]"
    return f"{found['share']:.0%} {interval} at {promise} (found {found['precision']:.1%})"


_TESTED: Mapping[str, Column] = {
    "METRIC": lambda variant: variant["metric"],
    "COVERAGE": lambda variant: share_text(variant["coverage"]),
    "ROWS": lambda variant: variant["test_rows"],
    "GROUPS": lambda variant: variant.get("groups"),
}


def _differing(experiment: Json) -> Mapping[str, Column]:
    """Return what is to be said of each variant, as it is not the same of all."""
    scored = _scored(experiment)
    return {
        name: column
        for name, column in _TESTED.items()
        if len({column(variant) for variant in scored}) > 1
    }


def _scored(experiment: Json) -> Sequence[Json]:
    return [each for each in experiment["variants"] if each["score"] is not None]


def _notes(experiment: Json) -> list[str]:
    """Return what is the same of all variants, in one line, and what a mark means."""
    differing, scored = _differing(experiment), _scored(experiment)
    same = [
        f"{name.lower()} {column(scored[0])}"
        for name, column in _TESTED.items()
        if scored and name not in differing and column(scored[0]) is not None
    ]
    doubts = [*_differences(experiment.get("curve") or {}).values()]
    mark = ["? not shown to differ"] if any(each.endswith("?") for each in doubts) else []
    notes = [*([f"All: {', '.join(same)}"] if same else []), *mark]
    return ["", *notes] if notes else []


def _columns(experiment: Json) -> Mapping[str, Column]:
    """Return the columns of the variants: they fit 80 characters where all met the same rows."""
    curve = experiment.get("curve") or {}
    differences = _differences(curve)
    costs = curve.get("costs") or {}
    ranks = _ranks(curve)
    return {
        "VARIANT": lambda variant: variant["name"],
        "TRAIN SIZE": lambda variant: variant["train_size"],
        "SCORE": lambda variant: _score(variant["score"]),
        "95 % INTERVAL": lambda variant: _interval(variant["low"], variant["high"]),
        "TO BEST PROMPT": lambda variant: differences.get(variant["name"]),
        "$/1,000 CALLS": lambda variant: _price(costs.get(variant["name"])),
        **_differing(experiment),
    } | ({"RANK": lambda variant: _rank(ranks.get(variant["name"]))} if ranks else {})


def _score(score: float | None) -> str | None:
    return None if score is None else f"{score:.1f}"


def _interval(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"[{low:.1f}, {high:.1f}]"


def _ranks(curve: Json) -> dict[str, Json]:
    """Return the variants of a hyperparameter sweep in order; without one there is no ranking."""
    tuned = [*(curve.get("points") or ()), *(curve.get("others") or ())]
    if not any(each.get("configuration") for each in tuned):
        return {}
    return {each["name"]: each for each in curve.get("ranking") or ()}


def _differences(curve: Json) -> dict[str, str]:
    """Return each variant's difference to the best prompt, `?` where it is not shown."""
    prompt = (curve.get("decision") or {}).get("best_prompt")
    scores = {
        each["name"]: each["value"]
        for group in ("baselines", "points", "others")
        for each in curve.get(group) or ()
    }
    found = {}
    for each in curve.get("comparisons") or ():
        sign = {each["second"]: 1, each["first"]: -1}.get(prompt)
        if sign is not None:
            other = each["first"] if sign > 0 else each["second"]
            gap = _gap(sign * each["difference"], scores.get(other), scores.get(prompt))
            found[other] = f"{gap:+.1f}{'' if each['is_shown'] else ' ?'}"
    return found


def _gap(difference: float, first: float | None, second: float | None) -> float:
    """Return a difference: that of the scores as they are shown where only rounding differs."""
    if first is None or second is None:
        return difference
    shown = round(round(first, 1) - round(second, 1), 1)
    return shown if abs(shown - difference) <= 0.1 else difference  # noqa: PLR2004  of one decimal


def _rank(ranked: Json | None) -> str | None:
    """Return a rank with the difference to the best, `?` where it is not shown to be worse."""
    if ranked is None:
        return None
    if ranked["below_best"] is None:
        return str(ranked["rank"])
    doubt = "" if ranked["is_worse"] else " ?"
    return f"{ranked['rank']} ({-ranked['below_best']:+.1f}{doubt})"


def _price(cost: Json | None) -> str | None:
    return None if cost is None else price_text(cost["per_thousand_calls"])


def _failure(error: object) -> str:
    if isinstance(error, dict):
        return str(error.get("detail") or error.get("title") or error.get("code"))
    return str(error)
