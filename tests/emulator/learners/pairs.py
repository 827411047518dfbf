"""Real pairs as the service would send them, split so that test rows are truly unseen."""

import csv
import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sacrebleu

FOLDER = Path(__file__).parents[3].parent / "shared" / "data"
MASK = (
    "Replace every piece of personally identifiable information in the text with a generic label"
    " in square brackets, such as [FIRSTNAME]. Keep everything else unchanged and return only the"
    " text."
)
ANSWER = (
    "Answer the question with a short span copied from the context. Return only the answer."
    "\n\nContext: {}\nQuestion: {}"
)
CLASSIFY = (
    "Classify the sentiment of the text as positive, negative or neutral. Return only the label."
    "\n\nText: {}"
)

Pair = tuple[str, str]


class Task(NamedTuple):
    """Shuffled training pairs, unseen test pairs, and how answers are scored (0 to 100)."""

    train: list[Pair]
    test: list[Pair]
    score: Callable[[Sequence[str], Sequence[Pair]], float]


def masking() -> Task:
    """Presidio pairs; a quarter of the templates, and every output of theirs, is held out."""
    with _file("pii/presidio_synth_v2_shared_pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    templates = sorted({row["template_id"] for row in rows})
    shuffle(templates, seed=5)
    held_out = set(templates[: len(templates) // 4])
    test = [row for row in rows if row["template_id"] in held_out]
    outputs = {row["target_text"] for row in test}
    train = [
        row
        for row in rows
        if row["template_id"] not in held_out and row["target_text"] not in outputs
    ]
    labels = sorted({name for row in rows for name in re.findall(r"\[(\w+)\]", row["target_text"])})
    prompt = f"{MASK}\nLabels: {', '.join(labels)}\n\nText: "
    pairs = [
        [(prompt + row["source_text"], row["target_text"]) for row in part]
        for part in (train, test)
    ]
    return Task(_shuffled(pairs[0]), pairs[1], bleu)


def questions() -> Task:
    """SQuAD 1.1 dev; five articles are held out whole."""
    with gzip.open(_file("squad/squad_v1.1_dev_shared.json.gz"), "rt") as file:
        articles = sorted(json.load(file)["data"], key=lambda article: str(article["title"]))
    shuffle(articles, seed=7)
    test, train = (
        _shuffled(
            [
                (ANSWER.format(passage["context"], asked["question"]), asked["answers"][0]["text"])
                for article in part
                for passage in article["paragraphs"]
                for asked in passage["qas"]
            ]
        )
        for part in (articles[:5], articles[5:])
    )
    return Task(train, test[:150], word_f1)


def tweets() -> Task:
    name = "tweets/tweet_sentiment_extraction_shared.csv.gz"
    with gzip.open(_file(name), "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = _shuffled([(CLASSIFY.format(row["text"].strip()), row["sentiment"]) for row in rows])
    return Task(pairs[1000:], pairs[:1000], accuracy)


def shuffled_targets(pairs: Sequence[Pair]) -> list[Pair]:
    outputs = [output for _, output in pairs]
    shuffle(outputs, seed=9)
    return [(prompt, output) for (prompt, _), output in zip(pairs, outputs, strict=True)]


def shuffle(items: list[Any], *, seed: int) -> None:
    random.Random(seed).shuffle(items)  # noqa: S311  repeatable splits, nothing secret


def bleu(answers: Sequence[str], pairs: Sequence[Pair]) -> float:
    return float(sacrebleu.corpus_bleu(list(answers), [[output for _, output in pairs]]).score)


def accuracy(answers: Sequence[str], pairs: Sequence[Pair]) -> float:
    right = sum(answer == output for answer, (_, output) in zip(answers, pairs, strict=True))
    return 100 * right / len(pairs)


def word_f1(answers: Sequence[str], pairs: Sequence[Pair]) -> float:
    scores = [_f1(answer, output) for answer, (_, output) in zip(answers, pairs, strict=True)]
    return 100 * sum(scores) / len(scores)


def _f1(answer: str, output: str) -> float:
    given, wanted = Counter(answer.lower().split()), Counter(output.lower().split())
    return 2 * (given & wanted).total() / max(1, given.total() + wanted.total())


def _shuffled(pairs: list[Pair]) -> list[Pair]:
    shuffle(pairs, seed=1)
    return pairs


def _file(name: str) -> Path:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"../shared/data/{name} is not on this machine")
    return path
