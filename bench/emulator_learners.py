"""What the emulator's learners learn from real rows, beside the prototype that was measured first.

    PYTHONPATH=. python bench/emulator_learners.py [--quick] [--json FILE] [--dev] [--only TASK ...]
        [--prototype]

Scores are 0 to 100 on rows held out by template, article or text. Training takes the epochs that
the emulator chooses by itself. `shuffled` is trained on the largest size with the outputs shuffled:
it shows that what is learned comes from the pairs. Few-shot is the un-tuned model with random
training rows in its prompt, drawn anew for each prompt, the mean of three such draws; `gain` is how
far that is above the base, with its standard error over the draws.
`facts` are the prototype's published figures, measured on other rows of the same files; `!` marks
what is more than 2 points below. `--prototype` runs the prototype itself on the same rows.
`--dev` measures on the development rows, the only ones to choose settings by.
"""

import argparse
import json
import random
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import emulator_prototype as prototype
from emulator_scores import Pair
from emulator_tasks import Task, load_tasks, presidio_splits, shuffled_targets

from emulator.learners.history import default_epochs
from emulator.learners.rules.base_model import answer_base
from emulator.learners.tuned_model import train_model

SIZES = (50, 200, 800, 3200)
QUICK_SIZES = (50, 200)
SHOTS = (3, 10, 30)
DRAWS = 3
COST_ROWS = 6400
MOST_CPU_SECONDS, MOST_MB = 20, 600
SLACK = 2.0
# Facts of the prototype: base, then 50, 200, 800 and 3200 rows; None where it has no figure.
PROTOTYPE: dict[tuple[str, str], Sequence[float | None]] = {
    ("presidio", "BLEU"): (56.6, 72.7, 80.3, 80.3, None),
    ("squad", "EM"): (26.2, 19.0, 26.2, 32.2, 35.5),
    ("squad", "F1"): (33.5, 27.9, 34.5, 40.2, 43.1),
    ("tweets", "accuracy"): (65.7, 65.3, 64.4, 66.5, 67.8),
    ("banking77", "accuracy"): (33.0, 16.5, 35.5, 68.5, 86.0),
    ("restaurant8k", "slot F1"): (41.3, 11.3, 39.7, 67.1, 76.8),
    ("restaurant8k", "exact"): (52.0, 38.0, 48.5, 64.5, 74.5),
}

Scores = dict[str, float]
Tune = Callable[[Sequence[Pair], Sequence[str]], list[str]]


def main() -> None:
    options = _options()
    sizes = QUICK_SIZES if options.quick else SIZES
    found: dict[str, Any] = {}
    for name, load in load_tasks():
        if options.only and name not in options.only:
            continue
        try:
            task = load()
        except (FileNotFoundError, ModuleNotFoundError) as error:
            print(f"{name}: skipped, {error}")
            continue
        found[name] = run(task, sizes=sizes, options=options)
        print_task(name, found[name])
        if name == "presidio":
            found["presidio splits"] = run_splits(sizes, rival=options.prototype)
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
    parser.add_argument("--prototype", action="store_true", help="run ../shared/prototypes as well")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.prototype and not prototype.is_here():
        parser.error("the prototype is not here")
    return options


def run(
    task: Task, *, sizes: Sequence[int], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Return for each metric the columns base, shots, sizes, shuffled, and what is beside them."""
    rows = task.dev if options.dev else task.test
    columns, gains = _prompted(task, rows)
    columns |= _tuned(task, rows, sizes=sizes, tune=tune)
    wrong = shuffled_targets(task.train[: sizes[-1]])
    columns["shuffled"] = _score(task, rows, tune(wrong, [prompt for prompt, _ in rows]))
    rival = _rival(task, rows, sizes=sizes) if options.prototype else {}
    return {
        metric: {
            "scores": {column: scores[metric] for column, scores in columns.items()},
            "gains": {column: gain[metric] for column, gain in gains.items()},
            "rival": {column: scores[metric] for column, scores in rival.items()},
        }
        for metric in task.metrics
    }


def _prompted(
    task: Task, rows: Sequence[Pair]
) -> tuple[dict[str, Scores], dict[str, dict[str, tuple[float, float]]]]:
    """Return the scores of the un-tuned model, and for each number of shots gain and error."""
    prompts = [prompt for prompt, _ in rows]
    base = _score(task, rows, [_ask(prompt) for prompt in prompts])
    columns, gains = {"base": base}, {}
    for count in SHOTS:
        draws = [
            _score(task, rows, _answers_with_shots(task, prompts, count, seed=seed))
            for seed in range(DRAWS)
        ]
        values = {metric: [draw[metric] for draw in draws] for metric in task.metrics}
        columns[f"{count} shots"] = {metric: mean(drawn) for metric, drawn in values.items()}
        gains[f"{count} shots"] = {
            metric: (mean(drawn) - base[metric], stdev(drawn) / DRAWS**0.5)
            for metric, drawn in values.items()
        }
    return columns, gains


def _tuned(
    task: Task, rows: Sequence[Pair], *, sizes: Sequence[int], tune: Tune
) -> dict[str, Scores]:
    prompts = [prompt for prompt, _ in rows]
    chosen = dict.fromkeys(min(size, len(task.train)) for size in sizes)
    return {str(size): _score(task, rows, tune(task.train[:size], prompts)) for size in chosen}


def _rival(task: Task, rows: Sequence[Pair], *, sizes: Sequence[int]) -> dict[str, Scores]:
    answers = prototype.ask_prototype([prompt for prompt, _ in rows])
    tuned = _tuned(task, rows, sizes=sizes, tune=prototype.tune_prototype)
    return {"base": _score(task, rows, answers)} | tuned


def run_splits(sizes: Sequence[int], *, rival: bool) -> dict[str, dict[str, list[float]]]:
    """Score several template splits made as the prototype's was, ours and the prototype's."""
    found: dict[str, dict[str, list[float]]] = {"ours": {}, "prototype": {}}
    for task in presidio_splits():
        prompts = [prompt for prompt, _ in task.test]
        ours = {"base": _score(task, task.test, [_ask(prompt) for prompt in prompts])}
        ours |= _tuned(task, task.test, sizes=sizes[:3], tune=tune)
        theirs = _rival(task, task.test, sizes=sizes[:3]) if rival else {}
        for name, columns in (("ours", ours), ("prototype", theirs)):
            for scores, column in zip(columns.values(), ("base", "50", "200", "all"), strict=False):
                found[name].setdefault(column, []).append(scores["BLEU"])
    for name, drawn in found.items():
        means = (
            f"{column} {mean(values):.1f} ({min(values):.1f}-{max(values):.1f})"
            for column, values in drawn.items()
        )
        print(f"{name + ', 6 splits':<20}" + "  ".join(means))
    return found


def _score(task: Task, rows: Sequence[Pair], answers: Sequence[str]) -> Scores:
    return {name: score(answers, rows) for name, score in task.metrics.items()}


def _ask(prompt: str, shots: Sequence[Pair] = ()) -> str:
    shown = [turn for asked, answer in shots for turn in (("user", asked), ("model", answer))]
    return answer_base([*shown, ("user", prompt)])


def _answers_with_shots(task: Task, prompts: Sequence[str], count: int, *, seed: int) -> list[str]:
    chance = random.Random(f"{count} {seed}")  # noqa: S311  repeatable draws
    return [_ask(prompt, chance.sample(task.train, count)) for prompt in prompts]


def tune(pairs: Sequence[Pair], prompts: Sequence[str]) -> list[str]:
    return train_model(pairs, epochs=default_epochs(len(pairs))).answer_many(prompts)


def measure_cost(task: Task) -> dict[str, Any]:
    """Train on 6,400 rows, repeating some where there are fewer, and return what it took."""
    pairs = (task.train * (1 + COST_ROWS // len(task.train)))[:COST_ROWS]
    started = time.process_time()
    train_model(pairs, epochs=default_epochs(len(pairs)))
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"task": task.name, "cpu_seconds": seconds, "peak_mb_so_far": peak}


def print_task(name: str, metrics: dict[str, dict[str, Any]]) -> None:
    columns = next(iter(metrics.values()))["scores"]
    print(f"\n{name}\n{'':<13}" + "".join(f"{column:>10}" for column in columns))
    for metric, found in metrics.items():
        scores = found["scores"]
        print(f"{metric:<13}" + "".join(f"{score:>10.1f}" for score in scores.values()))
        gains = {
            column: f"{gain:+.1f}±{error:.1f}" for column, (gain, error) in found["gains"].items()
        }
        print(f"{'  gain':<13}" + "".join(f"{gains.get(column, ''):>10}" for column in columns))
        known = dict(
            zip(
                ("base", "50", "200", "800", "3200"),
                PROTOTYPE.get((name, metric), ()),
                strict=False,
            )
        )
        for title, theirs in (("  facts", known), ("  prototype", found["rival"])):
            if theirs:
                beside = (_beside(theirs.get(column), scores[column]) for column in columns)
                print(f"{title:<13}" + "".join(beside), flush=True)


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
