"""What confidence is worth on Banking77, through the whole service against the emulator.

    PYTHONPATH=. python bench/evaluation/confidence.py [--quick] [--json FILE]

A model tuned on 3,200 examples answers test rows five times at temperature 1, with its
log-probabilities, and the base model says in words how likely each answer is right: ECE and AUROC
of the three sources stand in one table. Then the promise "95 % of what goes out unseen is right" is
put to the test: in each of 200 resplits the threshold is chosen on some groups of rows and checked
on the others. With halves, luck in the one half is bad luck in the other, and the check is as noisy
as the choice; with a quarter that chooses the check is nearly the truth. SYNTHETIC: the answers
are the emulator's and say nothing about Gemini.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.evaluation.public_tasks import DATA, tasks
from bench.inference.fleet import open_house
from service.evaluation.models import Evaluation
from service.evaluation.queries import get_evaluation
from service.evaluation.scoring.row_table import rows_after
from service.evaluation.statistics.automation import choose_threshold
from service.evaluation.statistics.binomial import effective_count, exact_interval
from tests.support.stack import Stack

RESPLITS, TARGET = 200, 0.95
COLUMNS = {"vote": "confidence", "verbal": "verbal_confidence", "logprob": "logprob"}
Values = NDArray[Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tuned on 800, 300 test rows")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not DATA.exists():
        parser.exit(message="../shared/data is not here: nothing to run\n")
    with open_house({"requests_per_minute": "600000"}) as house:
        row, rows = evaluated(house.stack, quick=options.quick)
    resplits = {parts: resplit(rows, parts=parts) for parts in (2, 4)}
    _print(row, resplits)
    names = ("group", "correct", *COLUMNS.values())
    values = [{name: each[name] for name in names} for each in rows]
    found = {"reports": row.confidence, "resplits": resplits, "rows": values}
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


def evaluated(stack: Stack, *, quick: bool) -> tuple[Evaluation, list[dict[str, Any]]]:
    """Return the evaluation of a tuned model, and its rows."""
    task = next(each for each in tasks() if each.name == "banking77")
    file_id = stack.upload(task.rows(), name=task.file_name, file_format="csv")
    size, test_size = (800, 300) if quick else (3200, 3000)
    prepare = {
        **task.options,
        "source": {"type": "file", "file_id": file_id},
        "train_sizes": [size],
        "test_size": test_size,
    }
    dataset = _run(stack, "prepare", prepare)["dataset"]
    model = _run(stack, "tune", {"dataset": dataset, "train_size": size})["model"]
    evaluate = {
        "dataset": dataset,
        "variant": "tuned",
        "model": model,
        "samples": 5,
        "temperature": 1.0,
        "logprobs": True,
        "verbal": {"repeats": 2},
    }
    evaluation_id = _run(stack, "evaluate", evaluate)["evaluation"]
    row, _ = get_evaluation(
        evaluation_id, project_id=stack.project_id, sessions=stack.services.sessions
    )
    key = row.table_key or ""
    return row, list(rows_after(key, row.id, after=-1, store=stack.services.store))


def _run(stack: Stack, kind: str, spec: dict[str, Any]) -> dict[str, str]:
    return dict(stack.succeeded(stack.submit(kind, spec).id, seconds=3600).outputs)


def resplit(rows: Sequence[dict[str, Any]], *, parts: int) -> dict[str, dict[str, float]]:
    """Return of each source in how many resplits there was a threshold, and the promise held.

    One of so many parts chooses the threshold, the others check it.
    """
    right = np.array([row["correct"] is True for row in rows])
    _, groups = np.unique([row["group"] for row in rows], return_inverse=True)
    return {
        source: _resplit(
            np.array([_confidence(row, name) for row in rows]), right, groups, parts=parts
        )
        for source, name in COLUMNS.items()
    }


def _confidence(row: dict[str, Any], name: str) -> float:
    value = row[name]
    return -1.0 if value is None else float(np.exp(value)) if name == "logprob" else float(value)


def _resplit(confidence: Values, right: Values, groups: Values, *, parts: int) -> dict[str, float]:
    found = []
    for seed in range(RESPLITS):
        names = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
        first = (names % parts == 0)[groups]
        threshold = choose_threshold(confidence[first], right[first], groups[first], target=TARGET)
        if threshold is None:
            continue
        passed = ~first & (confidence >= threshold)
        share, precision = passed.sum() / (~first).sum(), right[passed].mean()
        high = exact_interval(effective_count(right[passed], groups[passed])).high
        found.append((share, precision, precision < TARGET, high < TARGET))
    if not found:
        return {"thresholds": 0, "share": 0, "precision": 0, "held": 1, "not_refuted": 1}
    sums = np.array(found, dtype=float).sum(axis=0)
    return {
        "thresholds": len(found),
        "share": float(sums[0] / len(found)),
        "precision": float(sums[1] / len(found)),
        "held": 1 - float(sums[2]) / RESPLITS,
        "not_refuted": 1 - float(sums[3]) / RESPLITS,
    }


def _print(row: Evaluation, resplits: dict[int, dict[str, dict[str, float]]]) -> None:
    reports = row.confidence or []
    right = reports[0]["right"]
    print(f"Banking77 (SYNTHETIC), {row.rows} test rows, {right:.1%} right (majority of 5)\n")
    print("| confidence | ECE | AUROC | goes out unseen at 95 % right | precision found |")
    print("|---|---|---|---|---|")
    for each in reports:
        auto = each["automation"][0] if each["automation"] else None
        share = f"{auto['share']:.1%} [{auto['share_low']:.1%}, {auto['share_high']:.1%}]"
        precision = "" if auto["precision"] is None else f"{auto['precision']:.1%}"
        measured = f"{each['ece']:.3f} | {each['auroc']:.3f}"
        print(f"| {each['source']} | {measured} | {share} | {precision} |")
    names = "mean share | mean precision | promise held in | not refuted in"
    print(f"\n| chosen on | confidence | thresholds in {RESPLITS} resplits | {names} |")
    print("|---|---|---|---|---|---|---|")
    for parts, sources in resplits.items():
        for source, each in sources.items():
            cells = [f"{each[name]:.1%}" for name in ("share", "precision", "held", "not_refuted")]
            print(f"| 1/{parts} | {source} | {each['thresholds']:.0f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
