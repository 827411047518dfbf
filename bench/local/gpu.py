"""Trainings and answers of local models on a GPU: speed, memory, repeats, precision, accuracy.

    python -m bench.local.gpu speed --base FOLDER --tweets FILE.csv.gz [--fp32]
    python -m bench.local.gpu accuracy --base FOLDER --tweets FILE.csv.gz --seeds 3 --processes 8

Each prints one JSON object a line. All is what `tune` and `evaluate` jobs run: the alternative of
`speed` is the same on the processor (CUDA_VISIBLE_DEVICES=), of `answers` a batch of one, of
`accuracy` a logistic regression on TF-IDF of the same rows, and of bf16 32-bit floats (`--fp32`).
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from bench.local.tweets import Silent, is_right, logistic, read_tweets, request_of
from service.catalogue.local_names import endpoint_below
from service.datasets.examples import Example
from service.inference.local import loader
from service.inference.local.answers import answer_batch
from service.inference.local.folders import LocalModels, LocalTask
from service.inference.local.loader import load_base, load_tuned, prepare_torch, read_tokenizer
from service.inference.local.memory import count_parameters, need_of_training, tensor_shapes
from service.inference.local.tiny_gpt2 import make_tiny_gpt2
from service.storage.local import LocalStore
from service.tuning.local_spec import LocalTrainingSpec
from service.tuning.providers.local import training
from service.tuning.providers.local.adapters import trained_parameters
from service.tuning.providers.local.plan import TrainingPlan, plan_training
from service.tuning.providers.local.rows import encode
from service.tuning.providers.local.training import TrainingData, train
from service.tuning.schemas import HyperparametersSpec

LABELS = ("negative", "neutral", "positive")
TEST_ROWS, ANSWER_BATCH, WARM_STEPS, MIB = 2000, 256, 10, 1 << 20
# GPT-2 as it was published, but for its vocabulary, which the tweets give.
GPT2 = {"vocabulary": 50257, "layers": 12, "hidden": 768, "heads": 12, "places": 1024}


@dataclass
class Stopwatch(Silent):
    """Counts steps after the first ones, in which libraries warm up."""

    began: float = 0.0
    steps: int = 0
    seconds: float = 0.0
    loss: float = 0.0

    def step_done(self, step: int, total: int) -> None:
        if step in (WARM_STEPS, total):
            synchronize()
            now = time.perf_counter()
            self.began, self.steps, self.seconds = (
                self.began or now,
                step - WARM_STEPS,
                now - (self.began or now),
            )

    def measured(self, points: Sequence[Any]) -> None:
        for point in points:
            self.loss = point.value if point.series.value.endswith("loss") else self.loss


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=sorted(MEASURES))
    parser.add_argument("--base", type=Path, required=True, help="made as a GPT-2 if not there")
    parser.add_argument("--tweets", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fp32", action="store_true")
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batches", default="8,32")
    parser.add_argument("--sizes", default="50,200,800,3200,6400,11000")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=150, help="no more is begun after these")
    options = parser.parse_args()
    rows = shuffled(options.tweets)
    if not options.base.exists():
        make_tiny_gpt2(options.base, [each.text for each in rows], **GPT2)
    set_precision(options)
    for line in MEASURES[options.what](options, rows):
        precision = "bf16" if training.has_bf16(loader.compute_device()) else "fp32"
        found = {"base": options.base.name, "precision": precision, **line}
        print(json.dumps(found), flush=True)


def shuffled(file: Path) -> list[Example]:
    rows = list(read_tweets(file))
    random.Random(0).shuffle(rows)  # noqa: S311  a fixed order
    return rows


def set_precision(options: argparse.Namespace) -> None:
    if options.fp32:
        loader.has_bf16 = training.has_bf16 = lambda _device: False
    if options.deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # noqa: TID251  CUDA's, not a setting
        torch.use_deterministic_algorithms(mode=True, warn_only=True)


def plan_of(base: Path, task: LocalTask, *, epochs: int = 1, **asked: Any) -> TrainingPlan:
    spec = LocalTrainingSpec(task=task, **{"max_length": 64, **asked})
    labels = LABELS if task is LocalTask.SEQUENCE_CLASSIFICATION else ()
    return plan_training(
        f"local:{base.name}", spec, HyperparametersSpec(epochs=epochs), labels=labels
    )


def models_of(base: Path, folder: Path, threads: int) -> LocalModels:
    store = LocalStore(folder / "objects")
    return LocalModels(str(base.parent), lambda: store, threads=threads)


def timed(base: Path, plan: TrainingPlan, rows: Sequence[Example], threads: int) -> dict[str, Any]:
    """Train once; return steps a second and the memory at its peak beside the estimate."""
    watch = Stopwatch()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        models = models_of(base, Path(folder), threads)
        data = TrainingData(rows, (), "")
        trained = train(plan, data, folder=Path(folder) / "t", models=models, listener=watch)
    pace = watch.steps / watch.seconds if watch.seconds else 0.0
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return {
        "task": plan.task.value,
        "batch_size": plan.batch_size,
        "max_length": plan.max_length,
        "device": trained.statistics["device"],
        "parameters": trained.statistics["parameters"],
        "trained": trained.statistics["trained_parameters"],
        "steps_per_second": round(pace, 2),
        "rows_per_second": round(pace * plan.batch_size, 1),
        "peak_mib": round(peak / MIB),
        "estimated_mib": round(estimate(base, plan, rows) / MIB),
        "loss": watch.loss,
    }


def estimate(base: Path, plan: TrainingPlan, rows: Sequence[Example]) -> int:
    """Return the bytes of which the service would have said that the training needs them."""
    shape = loader.read_shape(base, parameters=count_parameters(base))
    encoded = encode(rows, plan, read_tokenizer(base), instruction="").rows
    need = need_of_training(
        shape,
        trained=trained_parameters(tensor_shapes(base), plan, vocabulary=shape.vocabulary),
        batch_size=min(plan.batch_size, len(rows)),
        length=max(len(row["input_ids"]) for row in encoded),
        predicts_tokens=plan.task is LocalTask.CAUSAL_LM,
    )
    return need.total


def tasks_of(base: Path) -> list[LocalTask]:
    return list(LocalTask) if "gpt2" in base.name else [LocalTask.SEQUENCE_CLASSIFICATION]


def measure_speed(options: argparse.Namespace, rows: list[Example]) -> Iterator[dict[str, Any]]:
    for task in tasks_of(options.base):
        for size in map(int, options.batches.split(",")):
            plan = plan_of(options.base, task, batch_size=size)
            chosen = (rows * 4)[: options.steps * size]
            yield timed(options.base, plan, chosen, options.threads)


def measure_memory(options: argparse.Namespace, rows: list[Example]) -> Iterator[dict[str, Any]]:
    """Rows as long as they may be, where activations weigh more than the weights."""
    joined = " ".join(each.text for each in rows[:200])
    long = [replace(each, text=joined) for each in rows]
    for task in tasks_of(options.base):
        for size, length in ((8, 128), (8, 512), (32, 512)):
            plan = plan_of(options.base, task, batch_size=size, max_length=length)
            yield timed(options.base, plan, long[: 3 * WARM_STEPS * size], options.threads)


def measure_repeats(options: argparse.Namespace, rows: list[Example]) -> Iterator[dict[str, Any]]:
    """The same training twice: whether it ends with the same loss."""
    for task in tasks_of(options.base):
        plan = plan_of(options.base, task, batch_size=8)
        for turn in (1, 2):
            found = timed(options.base, plan, rows[: options.steps * 8], options.threads)
            yield {"turn": turn, "deterministic": options.deterministic, **found}


def measure_answers(options: argparse.Namespace, rows: list[Example]) -> Iterator[dict[str, Any]]:
    """Rows a second of a causal LM that writes 32 tokens to each: one by one, and in batches."""
    with tempfile.TemporaryDirectory() as folder:
        models = models_of(options.base, Path(folder), options.threads)
        loaded = load_base(f"local:{options.base.name}", models, prepare_torch(models))
    asked = [replace(request_of(each), max_output_tokens=32) for each in rows]
    for size in map(int, options.batches.split(",")):
        answer_batch(loaded, asked[:size])  # warm
        count = max(size, min(options.steps * size, 64 if size == 1 else 1024)) // size * size
        synchronize()
        began = time.perf_counter()
        for at in range(0, count, size):
            answer_batch(loaded, asked[at : at + size])
        synchronize()
        seconds = time.perf_counter() - began
        pace = round(count / seconds, 1)
        device = loaded.model.device.type
        yield {"device": device, "batch": size, "rows": count, "rows_per_second": pace}


def measure_accuracy(options: argparse.Namespace, rows: list[Example]) -> Iterator[dict[str, Any]]:
    """Each size and seed in a process of its own turn; those of a seed stand one after another."""
    sizes = list(map(int, options.sizes.split(",")))
    began, test, pool = time.perf_counter(), rows[:TEST_ROWS], rows[TEST_ROWS:]
    jobs = [(size, seed) for seed in range(42, 42 + options.seeds) for size in reversed(sizes)]
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as workers:
        deadline = time.time() + options.seconds
        found = [workers.submit(accuracy, options, *job, deadline) for job in jobs]
        for size in sizes:
            right = sum(map(is_right, logistic(pool[:size], test), test))
            yield {"way": "TF-IDF, logistic", "size": size, "right": right, "of": len(test)}
        for each in as_completed(found):
            yield each.result()
    yield {"way": "all", "seconds": round(time.perf_counter() - began, 1)}


def accuracy(options: argparse.Namespace, size: int, seed: int, deadline: float) -> dict[str, Any]:
    """Train as a `tune` job of four epochs, and ask the test rows as an evaluation does."""
    if time.time() > deadline:
        return {"way": "tuned", "size": size, "seed": seed, "skipped": True}
    set_precision(options)
    rows = shuffled(options.tweets)
    test, pool = rows[:TEST_ROWS], rows[TEST_ROWS:]
    plan = plan_of(options.base, LocalTask.SEQUENCE_CLASSIFICATION, epochs=4, seed=seed)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        work, models = Path(folder) / "t", models_of(options.base, Path(folder), options.threads)
        data = TrainingData(pool[:size], (), "")
        trained = train(plan, data, folder=work, models=models, listener=Silent())
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


Measure = Callable[[argparse.Namespace, list[Example]], Iterator[dict[str, Any]]]
MEASURES: dict[str, Measure] = {
    "speed": measure_speed,
    "memory": measure_memory,
    "repeats": measure_repeats,
    "answers": measure_answers,
    "accuracy": measure_accuracy,
}

if __name__ == "__main__":
    main()
