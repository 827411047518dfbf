"""Learned accuracy of a local model on tweets, by train size and seed.

    python -m bench.local.accuracy --base FOLDER --tweets FILE.csv.gz --seeds 3 --seconds 150

Prints one JSON object a line as each training ends, and is done within `--seconds` and the last
answers: what has not ended is left out. The alternatives are a logistic regression on TF-IDF of the
same rows, and of bf16 32-bit floats (`--fp32`).
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.local.gpu import add_options, models_of, plan_of, print_line, set_precision, shuffled
from bench.local.tweets import Silent, is_right, logistic, request_of
from service.catalogue.local_names import endpoint_below
from service.inference.local.answers import answer_batch
from service.inference.local.folders import LocalTask
from service.inference.local.loader import load_tuned, prepare_torch
from service.tuning.providers.local.training import TrainingData, train

TEST_ROWS, ANSWER_BATCH = 2000, 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--sizes", default="50,200,800,3200,6400,11000")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=150)
    options = parser.parse_args()
    set_precision(options)
    for line in measure_accuracy(options):
        print_line(options, line)


def measure_accuracy(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Each size and seed in a process of its own turn, small ones first; yields as they end."""
    sizes = list(map(int, options.sizes.split(",")))
    began, deadline = time.perf_counter(), time.time() + options.seconds
    jobs = [(size, seed) for size in sizes for seed in range(42, 42 + options.seeds)]
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as workers:
        found = [workers.submit(baseline, options, size, deadline) for size in sizes]
        found += [workers.submit(accuracy, options, *job, deadline) for job in jobs]
        for each in as_completed(found):
            yield each.result()
    yield {"way": "all", "seconds": round(time.perf_counter() - began, 1)}


def baseline(options: argparse.Namespace, size: int, deadline: float) -> dict[str, Any]:
    found = {"way": "TF-IDF, logistic", "size": size}
    if time.time() > deadline:
        return {**found, "skipped": True}
    rows = shuffled(options.tweets)
    test, pool = rows[:TEST_ROWS], rows[TEST_ROWS:]
    right = sum(map(is_right, logistic(pool[:size], test), test))
    return {**found, "right": right, "of": len(test)}


@dataclass
class Deadline(Silent):
    """Ends a training that would go on after a moment (of `time.time`)."""

    moment: float = 0.0

    def step_done(self, _step: int, _total: int) -> None:
        if time.time() > self.moment:
            raise TimeoutError


def accuracy(options: argparse.Namespace, size: int, seed: int, deadline: float) -> dict[str, Any]:
    """Train as a `tune` job, and ask the test rows as an evaluation does."""
    skipped = {"way": "tuned", "size": size, "seed": seed, "skipped": True}
    if time.time() > deadline:
        return skipped
    set_precision(options)
    rows = shuffled(options.tweets)
    test, pool = rows[:TEST_ROWS], rows[TEST_ROWS:]
    plan = plan_of(
        options.base, LocalTask.SEQUENCE_CLASSIFICATION, epochs=options.epochs, seed=seed
    )
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        work, models = Path(folder) / "t", models_of(options.base, Path(folder), options.threads)
        data = TrainingData(pool[:size], (), "")
        try:
            trained = train(plan, data, folder=work, models=models, listener=Deadline(deadline))
        except TimeoutError:
            return skipped
        taught = time.perf_counter() - began
        models.publish(work / f"checkpoint-{trained.step}", "model/last")
        loaded = load_tuned(endpoint_below("model/last"), models, prepare_torch(models))
    asked = [request_of(each) for each in test]
    answers: list[str] = []
    for at in range(0, len(asked), ANSWER_BATCH):
        answers += [each.text for each in answer_batch(loaded, asked[at : at + ANSWER_BATCH])]
    return {
        "way": "tuned",
        "size": size,
        "seed": seed,
        "right": sum(map(is_right, answers, test)),
        "of": len(test),
        "training_seconds": round(taught, 1),
        "steps": trained.step,
    }


if __name__ == "__main__":
    main()
