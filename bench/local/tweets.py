"""Three sentiments of tweets by a small encoder trained on this machine, beside simpler answers.

    PYTHONPATH=. python bench/local/tweets.py --base FOLDER --tweets FILE.csv.gz

FOLDER holds config.json, tokenizer and safetensors of a base model; FILE has the columns `text` and
`sentiment`. Ours is what a `tune` job and its evaluation do (the same epochs at each size). The
alternatives see the same rows: the most frequent label, and a logistic regression on TF-IDF of
words and pairs of words (scikit-learn, its defaults). Accuracy on the same test rows, with Wilson's
95 % interval; seconds are of one processor.
"""

import argparse
import csv
import gzip
import io
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from service.catalogue.local_names import endpoint_below
from service.datasets.examples import Example
from service.evaluation.statistics.intervals import wilson_interval
from service.inference.local.answers import answer_batch
from service.inference.local.folders import LocalModels, LocalTask
from service.inference.local.loader import load_tuned, prepare_torch
from service.inference.ports import GenerationRequest, Turn
from service.storage.local import LocalStore
from service.tuning.local_spec import LocalTrainingSpec
from service.tuning.ports import MetricPoint
from service.tuning.providers.local.plan import plan_training
from service.tuning.providers.local.training import TrainingData, train
from service.tuning.schemas import HyperparametersSpec

TEST_ROWS, BATCH = 300, 50


class Silent:
    """Hears of a training and keeps its checkpoints where they are."""

    def step_done(self, step: int, total: int) -> None: ...

    def measured(self, points: Sequence[MetricPoint]) -> None: ...

    def checkpoint_saved(self, folder: Path, *, step: int, epoch: int | None) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--tweets", type=Path, required=True)
    parser.add_argument("--sizes", default="50,200,800")
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    rows = list(read_tweets(options.tweets))
    random.Random(0).shuffle(rows)  # noqa: S311  a fixed order
    test, pool = rows[:TEST_ROWS], rows[TEST_ROWS:]
    print(f"{'rows':>5}  {'way':<24}{'accuracy':>9}  {'95 % interval':<15}{'seconds':>8}")
    for size in map(int, options.sizes.split(",")):
        training = pool[:size]
        for way, answers in (
            ("most frequent label", _most_frequent),
            ("TF-IDF, logistic", logistic),
            (
                f"{options.base.name}, {options.epochs} epochs",
                partial(_tuned, base=options.base, epochs=options.epochs),
            ),
        ):
            began = time.process_time()
            right = sum(map(is_right, answers(training, test), test))
            found = wilson_interval(right, len(test), scale=100, confidence=0.95)
            seconds = time.process_time() - began
            interval = f"[{found.low:.1f}, {found.high:.1f}]"
            share = 100 * right / len(test)
            print(f"{size:>5}  {way:<24}{share:>9.1f}  {interval:<15}{seconds:>8.1f}", flush=True)


def read_tweets(file: Path) -> Iterator[Example]:
    with gzip.open(file) as packed, io.TextIOWrapper(packed, encoding="utf-8") as text:
        for number, row in enumerate(csv.DictReader(text), start=1):
            if row["text"].strip():
                label = row["sentiment"]
                yield Example(str(number), row["text"].strip(), label, (label,), "", number)


def is_right(answer: str, example: Example) -> bool:
    return answer == example.target


def _most_frequent(training: Sequence[Example], test: Sequence[Example]) -> list[str]:
    [(label, _)] = Counter(each.target for each in training).most_common(1)
    return [label] * len(test)


def logistic(training: Sequence[Example], test: Sequence[Example]) -> list[str]:
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=1000))
    model.fit([each.text for each in training], [each.target for each in training])
    return [str(label) for label in model.predict([each.text for each in test])]


def _tuned(
    training: Sequence[Example], test: Sequence[Example], *, base: Path, epochs: int
) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        store, work = LocalStore(Path(folder) / "objects"), Path(folder) / "training"
        models = LocalModels(str(base.parent), lambda: store, threads=1)
        plan = plan_training(
            f"local:{base.name}",
            LocalTrainingSpec(task=LocalTask.SEQUENCE_CLASSIFICATION, max_length=64),
            HyperparametersSpec(epochs=epochs),
            labels=("negative", "neutral", "positive"),
        )
        data = TrainingData(training, (), "")
        trained = train(plan, data, folder=work, models=models, listener=Silent())
        models.publish(work / f"checkpoint-{trained.step}", "model/last")
        loaded = load_tuned(endpoint_below("model/last"), models, prepare_torch(models))
    asked = [request_of(each) for each in test]
    batches = [asked[at : at + BATCH] for at in range(0, len(asked), BATCH)]
    return [answer.text for batch in batches for answer in answer_batch(loaded, batch)]


def request_of(example: Example) -> GenerationRequest:
    turns = (Turn("user", example.text),)
    return GenerationRequest(example.id, "", "", "local", turns)


if __name__ == "__main__":
    main()
