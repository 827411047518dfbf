"""Trainings and answers of local models on a GPU: speed, memory, repeats, precision.

    python -m bench.local.gpu speed --base FOLDER --tweets FILE.csv.gz [--fp32]

Each prints one JSON object a line, at once. All is what `tune` and `evaluate` jobs run: the
alternative of `speed` is the same on the processor (CUDA_VISIBLE_DEVICES=), of `answers` a batch of
one, and of bf16 32-bit floats (`--fp32`). Accuracies: `bench/local/accuracy.py`.
"""

import argparse
import json
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench.local.tweets import Silent, read_tweets, request_of
from service.datasets.examples import Example
from service.inference.local import loader
from service.inference.local.answers import answer_batch
from service.inference.local.folders import LocalModels, LocalTask
from service.inference.local.loader import load_base, prepare_torch, read_tokenizer
from service.inference.local.tiny_gpt2 import make_tiny_gpt2
from service.storage.local import LocalStore
from service.tuning.local_spec import LocalTrainingSpec
from service.tuning.providers.local import training
from service.tuning.providers.local.plan import TrainingPlan, plan_training
from service.tuning.providers.local.rows import encode
from service.tuning.providers.local.training import TrainingData, train
from service.tuning.schemas import HyperparametersSpec

LABELS = ("negative", "neutral", "positive")
WARM_STEPS, MIB = 10, 1 << 20
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


def peaks(resting: int) -> tuple[int, int]:
    """Return the most bytes that tensors had, and that PyTorch took for them.

    On the processor, of which only the process as a whole is known: above what it had before; that
    is right of the first training of a process.
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
    most = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - resting
    return most, most


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=sorted(MEASURES))
    add_options(parser)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--warm-steps", type=int, default=100)
    parser.add_argument("--batches", default="8,32")
    options = parser.parse_args()
    rows = shuffled(options.tweets)
    if not options.base.exists():
        make_tiny_gpt2(options.base, [each.text for each in rows], **GPT2)
    set_precision(options)
    for line in MEASURES[options.what](options, rows):
        print_line(options, line)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base", type=Path, required=True, help="made as a GPT-2 if not there")
    parser.add_argument("--tweets", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fp32", action="store_true")
    parser.add_argument("--deterministic", action="store_true")


def print_line(options: argparse.Namespace, line: dict[str, Any]) -> None:
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
    watch, resting = Stopwatch(), resident_bytes()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        models = models_of(base, Path(folder), threads)
        data = TrainingData(rows, (), "")
        trained = train(plan, data, folder=Path(folder) / "t", models=models, listener=watch)
    pace = watch.steps / watch.seconds if watch.seconds else 0.0
    estimated, tokens = estimate(base, plan, rows)
    peak, reserved = peaks(resting)
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
        "reserved_mib": round(reserved / MIB),
        "estimated_mib": round(estimated / MIB),
        "longest_row": tokens,
        "loss": watch.loss,
    }


def estimate(base: Path, plan: TrainingPlan, rows: Sequence[Example]) -> tuple[int, int]:
    """Return the bytes that the service reckons with, and the tokens of the longest row."""
    encoded = encode(rows, plan, read_tokenizer(base), instruction="").rows
    need = training.training_need(plan, encoded, base, device=loader.compute_device())
    return need.total, max(len(row["input_ids"]) for row in encoded)


def tasks_of(base: Path) -> list[LocalTask]:
    return list(LocalTask) if "gpt2" in base.name else [LocalTask.SEQUENCE_CLASSIFICATION]


def measure_speed(options: argparse.Namespace, rows: list[Example]) -> Iterator[dict[str, Any]]:
    """Steps a second after a training that warms up: the first of a process was half as fast."""
    warm = plan_of(options.base, LocalTask.SEQUENCE_CLASSIFICATION, batch_size=8)
    timed(options.base, warm, rows[: options.warm_steps * 8], options.threads)
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


Measure = Callable[[argparse.Namespace, list[Example]], Iterator[dict[str, Any]]]
MEASURES: dict[str, Measure] = {
    "speed": measure_speed,
    "memory": measure_memory,
    "repeats": measure_repeats,
    "answers": measure_answers,
}

if __name__ == "__main__":
    main()
