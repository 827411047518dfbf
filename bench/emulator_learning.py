"""What the emulator's models learn from real rows, beside the prototype's figures.

    .venv/bin/python bench/emulator_learning.py [--quick] [--json FILE] [--dev] [--only TASK ...]

Scores are 0 to 100 on rows held out by template, article or text. `shuffled` is trained on the
largest size with the outputs shuffled: it shows that what is learned comes from the pairs. Few-shot
is the un-tuned model with random training rows in its prompt. The prototype was measured on other
rows of the same files, some of them with leaks, so 2 points either way are nothing.
`--dev` measures on the development rows, the only ones to choose settings by.
"""

import argparse
import json
import random
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emulator_tasks import Pair, Task, load_tasks, shuffled_targets

from emulator.learners.learning import learn
from emulator.learners.rules import answer_base

SIZES = (50, 200, 800, 3200)
QUICK_SIZES = (50, 200)
SHOTS = (3, 10, 30)
COST_ROWS = 6400
MOST_CPU_SECONDS, MOST_MB = 20, 600
SLACK = 2.0
# facts of the prototype: base, then 50, 200, 800 and 3200 rows; None where it has no figure.
PROTOTYPE: dict[tuple[str, str], Sequence[float | None]] = {
    ("presidio", "BLEU"): (56.6, 72.7, 80.3, 80.3, None),
    ("squad", "EM"): (26.2, 19.0, 26.2, 32.2, 35.5),
    ("squad", "F1"): (33.5, 27.9, 34.5, 40.2, 43.1),
    ("tweets", "accuracy"): (65.7, 65.3, 64.4, 66.5, 67.8),
    ("banking77", "accuracy"): (33.0, 16.5, 35.5, 68.5, 86.0),
    ("restaurant8k", "slot F1"): (41.3, 11.3, 39.7, 67.1, 76.8),
    ("restaurant8k", "exact"): (52.0, 38.0, 48.5, 64.5, 74.5),
}


def main() -> None:
    options = _options()
    found: dict[str, Any] = {}
    for name, load in load_tasks():
        if options.only and name not in options.only:
            continue
        try:
            task = load()
        except FileNotFoundError as error:
            print(f"{name}: skipped, {error}")
            continue
        found[name] = run(task, sizes=QUICK_SIZES if options.quick else SIZES, dev=options.dev)
        print_task(name, found[name])
    if not options.quick:
        found["cost"] = [measure_cost(load()) for name, load in load_tasks() if name in found]
        print_costs(found["cost"])
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50 and 200 rows only")
    parser.add_argument("--dev", action="store_true", help="measure on the development rows")
    parser.add_argument("--only", nargs="*", help="tasks to run")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def run(task: Task, *, sizes: Sequence[int], dev: bool) -> dict[str, dict[str, float]]:
    """Return for each column (base, shots, sizes, shuffled) the score by each metric."""
    rows = task.dev if dev else task.test
    prompts = [prompt for prompt, _ in rows]
    columns = {"base": _score(task, rows, [_ask(prompt) for prompt in prompts])}
    for count in SHOTS:
        columns[f"{count} shots"] = _score(task, rows, _answers_with_shots(task, prompts, count))
    for size in dict.fromkeys(min(size, len(task.train)) for size in sizes):
        columns[str(size)] = _score(task, rows, _tuned(task.train[:size], prompts))
    wrong = shuffled_targets(task.train[: sizes[-1]])
    columns["shuffled"] = _score(task, rows, _tuned(wrong, prompts))
    return columns


def _score(task: Task, rows: Sequence[Pair], answers: Sequence[str]) -> dict[str, float]:
    return {name: score(answers, rows) for name, score in task.metrics.items()}


def _ask(prompt: str, shots: Sequence[Pair] = ()) -> str:
    shown = [turn for asked, told in shots for turn in (("user", asked), ("model", told))]
    return answer_base([*shown, ("user", prompt)])


def _answers_with_shots(task: Task, prompts: Sequence[str], count: int) -> list[str]:
    """Draw the shots anew for every prompt, as a mean over draws would."""
    chance = random.Random(count)  # noqa: S311  repeatable draws
    return [_ask(prompt, chance.sample(task.train, count)) for prompt in prompts]


def _tuned(pairs: Sequence[Pair], prompts: Sequence[str]) -> list[str]:
    return learn(pairs).answer_many(prompts)


def measure_cost(task: Task) -> dict[str, Any]:
    """Train on 6,400 rows, repeating some where there are fewer, and tell what it took."""
    pairs = (task.train * (1 + COST_ROWS // len(task.train)))[:COST_ROWS]
    started = time.process_time()
    learn(pairs)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"task": task.name, "cpu_seconds": seconds, "peak_mb_so_far": peak}


def print_task(name: str, columns: dict[str, dict[str, float]]) -> None:
    print(f"\n{name}\n{'':<12}" + "".join(f"{column:>10}" for column in columns))
    for metric in columns["base"]:
        scores = {column: found[metric] for column, found in columns.items()}
        print(f"{metric:<12}" + "".join(f"{score:>10.1f}" for score in scores.values()))
        theirs = PROTOTYPE.get((name, metric))
        if theirs:
            known = dict(zip(("base", "50", "200", "800", "3200"), theirs, strict=True))
            print(
                f"{'  prototype':<12}" + "".join(_beside(known.get(c), scores[c]) for c in scores)
            )


def _beside(theirs: float | None, ours: float) -> str:
    if theirs is None:
        return f"{'':>10}"
    return f"{theirs:>9.1f}{'!' if ours < theirs - SLACK else ' '}"


def print_costs(costs: Sequence[dict[str, Any]]) -> None:
    print(f"\n{COST_ROWS} rows{'':<8}{'CPU s':>8}{'peak MB':>10}")
    for cost in costs:
        print(f"{cost['task']:<17}{cost['cpu_seconds']:>8.1f}{cost['peak_mb_so_far']:>10.0f}")
    print(f"bars: {MOST_CPU_SECONDS} CPU s, {MOST_MB} MB")


if __name__ == "__main__":
    main()
