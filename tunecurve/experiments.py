"""How experiments are shown: their variants side by side, what failed, and the answer."""

from collections.abc import Mapping
from typing import Any

from tunecurve.output import Column, interval_text, render_table, score_text, share_text

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
        *failures,
        "",
        f"Answer: {experiment['answer'] or 'none yet'}",
    ]
    return "\n".join(lines)


def _columns(experiment: Json) -> Mapping[str, Column]:
    curve = experiment.get("curve") or {}
    differences = _differences(curve)
    costs = curve.get("costs") or {}
    ranks = _ranks(curve)
    return {
        "VARIANT": lambda variant: variant["name"],
        "TRAIN SIZE": lambda variant: variant["train_size"],
        "METRIC": lambda variant: variant["metric"],
        "SCORE": lambda variant: score_text(variant["score"]),
        "95 % INTERVAL": lambda variant: interval_text(variant["low"], variant["high"]),
        "TO BEST PROMPT": lambda variant: differences.get(variant["name"]),
        "$/1,000 CALLS": lambda variant: _dollars(costs.get(variant["name"])),
        "COVERAGE": lambda variant: share_text(variant["coverage"]),
        "ROWS": lambda variant: variant["test_rows"],
        "GROUPS": lambda variant: variant.get("groups"),
    } | ({"RANK": lambda variant: _rank(ranks.get(variant["name"]))} if ranks else {})


def _ranks(curve: Json) -> dict[str, Json]:
    """Return the variants of a hyperparameter sweep in order; without one there is no ranking."""
    tuned = [*(curve.get("points") or ()), *(curve.get("others") or ())]
    if not any(each.get("configuration") for each in tuned):
        return {}
    return {each["name"]: each for each in curve.get("ranking") or ()}


def _differences(curve: Json) -> dict[str, str]:
    """Return each variant's difference to the best prompt, `?` where it is not shown."""
    prompt = (curve.get("decision") or {}).get("best_prompt")
    found = {}
    for each in curve.get("comparisons") or ():
        doubt = "" if each["is_shown"] else " ?"
        if each["second"] == prompt:
            found[each["first"]] = f"{each['difference']:+.1f}{doubt}"
        elif each["first"] == prompt:
            found[each["second"]] = f"{-each['difference']:+.1f}{doubt}"
    return found


def _rank(ranked: Json | None) -> str | None:
    """Return a rank with the difference to the best, `?` where it is not shown to be worse."""
    if ranked is None:
        return None
    if ranked["below_best"] is None:
        return str(ranked["rank"])
    doubt = "" if ranked["is_worse"] else " ?"
    return f"{ranked['rank']} ({-ranked['below_best']:+.1f}{doubt})"


def _dollars(cost: Json | None) -> str | None:
    amount = (cost or {}).get("per_thousand_calls")
    return None if amount is None else f"{float(amount):.4g}"


def _failure(error: object) -> str:
    if isinstance(error, dict):
        return str(error.get("detail") or error.get("title") or error.get("code"))
    return str(error)
