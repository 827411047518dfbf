"""The tasks of `emulator_learners.py`: real rows, split so that no test row was ever trained on.

Prompts are those of the product's own presets.

Every task has a development split beside the test split: settings are chosen on the former only.
"""

import csv
import gzip
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from emulator_scores import Pair, Score, best_of, bleu, exact, one_em, one_f1, slot_f1

from service.datasets.presets.classification import instruction_for as classes_named
from service.datasets.presets.extraction import instruction_for as schema_shown
from service.datasets.presets.pii import INSTRUCTION
from service.datasets.presets.sentiment import SENTIMENT
from service.datasets.presets.squad import SQUAD

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

MASK = INSTRUCTION.partition("\nLabels: ")[0] + "\nLabels: {}\n\nText: {}"
ANSWER = SQUAD.instruction + "\n\nContext: {}\nQuestion: {}"
SENTIMENT_PROMPT = SENTIMENT.instruction + "\n\nText: {}"
CODED = "Classify the sentiment of the text. Return only its code.\n\nText: "
CODES = {"positive": "4", "neutral": "2", "negative": "0"}
SPLITS, SPLIT_TEST_ROWS = 6, 200
DEMO_ROWS, DEMO_SEED = 7000, 3
SLOTS = ("date", "first_name", "last_name", "people", "time")
BOOKING = {"type": "object", "properties": {slot: {"type": "string"} for slot in SLOTS}}


@dataclass(frozen=True, slots=True)
class Task:
    """Pairs to train on, in random order, and the rows its scores are measured on."""

    name: str
    train: list[Pair]
    dev: list[Pair]
    test: list[Pair]
    metrics: dict[str, Score]

    @property
    def parts(self) -> tuple[list[Pair], list[Pair], list[Pair]]:
        return self.train, self.dev, self.test


def load_tasks() -> Iterator[tuple[str, Callable[[], Task]]]:
    yield "presidio", presidio
    yield "demo", demo
    yield "squad", squad
    yield "tweets", tweets
    yield "coded", coded_tweets
    yield "banking77", banking
    yield "restaurant8k", restaurant


def presidio() -> Task:
    """Masking pairs; templates, and outputs that equal one of theirs, are held out."""
    with _open("pii/presidio_synth_v2_shared_pairs.csv") as file:
        rows = list(csv.DictReader(file))
    templates = _shuffled(sorted({row["template_id"] for row in rows}), seed=5)
    quarter = len(templates) // 4
    parts = _by_group(
        rows, "template_id", templates[:quarter], templates[quarter : quarter * 3 // 2]
    )
    pairs = [_masking_pairs(part, among=rows) for part in parts]
    seen = {output for _, output in (*pairs[1], *pairs[2])}
    train = [pair for pair in pairs[0] if pair[1] not in seen]
    return Task("presidio", _shuffled(train), pairs[2], pairs[1], {"BLEU": bleu, "exact": exact})


def _masking_pairs(
    rows: Sequence[dict[str, str]], *, among: Sequence[dict[str, str]] = ()
) -> list[Pair]:
    """Return prompts that list all labels `among` the rows of the file, with their outputs."""
    outputs = [row["target_text"] for row in among or rows]
    labels = ", ".join(sorted({name for out in outputs for name in re.findall(r"\[(\w+)\]", out)}))
    return [(MASK.format(labels, row["source_text"]), row["target_text"]) for row in rows]


def presidio_splits() -> Iterator[Task]:
    """Template splits as the prototype's: 200 test rows, all else to train on; one split a seed.

    The prototype's own split is not known; templates differ so much that one split says little.
    """
    with _open("pii/presidio_synth_v2_shared_pairs.csv") as file:
        rows = list(csv.DictReader(file))
    pairs = _masking_pairs(rows)
    for seed in range(SPLITS):
        templates = _shuffled(sorted({row["template_id"] for row in rows}), seed=seed)
        held_out: set[str] = set()
        while sum(row["template_id"] in held_out for row in rows) < SPLIT_TEST_ROWS:
            held_out.add(templates.pop())
        parts: tuple[list[Pair], list[Pair]] = [], []
        for row, pair in zip(rows, pairs, strict=True):
            parts[row["template_id"] in held_out].append(pair)
        yield Task(f"split {seed}", _shuffled(parts[0]), [], parts[1], {"BLEU": bleu})


def demo() -> Task:
    """The made-up masking pairs of `tunecurve demo`, templates held out."""
    from service.datasets.presets.pii import template_of
    from service.datasets.sources.synthetic import synthetic_rows

    groups: dict[str, list[Pair]] = {}
    for row in synthetic_rows(DEMO_ROWS, seed=DEMO_SEED):
        source, target = row.fields["source_text"], row.fields["target_text"]
        pair = f"{INSTRUCTION}\n\nText: {source}", target
        groups.setdefault(template_of(target), []).append(pair)
    ordered = _shuffled([groups[key] for key in sorted(groups)])
    test, dev, train = (
        [pair for group in part for pair in group]
        for part in (ordered[:300], ordered[300:600], ordered[600:])
    )
    return Task("demo", _shuffled(train), dev, test, {"BLEU": bleu, "exact": exact})


def squad() -> Task:
    """Questions on articles; five are held out for the test, four for development."""
    with _open("squad/squad_v1.1_dev_shared.json.gz") as file:
        articles = sorted(json.load(file)["data"], key=lambda article: str(article["title"]))
    articles = _shuffled(articles, seed=7)
    golds: dict[str, set[str]] = {}
    test, dev, train = (
        _shuffled(
            [
                _question(text["context"], asked, golds)
                for article in part
                for text in article["paragraphs"]
                for asked in text["qas"]
            ]
        )
        for part in (articles[:5], articles[5:9], articles[9:])
    )
    return Task(
        "squad",
        train,
        dev[:400],
        test[:400],
        {"EM": partial(best_of, one_em, golds), "F1": partial(best_of, one_f1, golds)},
    )


def tweets() -> Task:
    with _open("tweets/tweet_sentiment_extraction_shared.csv.gz") as file:
        rows = [row for row in csv.DictReader(file) if row["text"].strip()]
    pairs = [(SENTIMENT_PROMPT.format(row["text"].strip()), row["sentiment"]) for row in rows]
    return _by_text("tweets", pairs, {"accuracy": exact})


def coded_tweets() -> Task:
    """The same with labels that only shots show."""
    task = tweets()
    train, dev, test = (
        [(_coded(prompt), CODES[label]) for prompt, label in part] for part in task.parts
    )
    return Task("coded", train, dev, test, task.metrics)


def _coded(prompt: str) -> str:
    return prompt.replace(SENTIMENT_PROMPT[: -len("{}")], CODED)


def banking() -> Task:
    with _open("classification/banking77_train.csv.gz") as file:
        rows = list(csv.DictReader(file))
    instruction = classes_named(tuple(sorted({row["category"] for row in rows})))
    pairs = [(f"{instruction}\n\nText: {row['text'].strip()}", row["category"]) for row in rows]
    return _by_text("banking77", pairs, {"accuracy": exact})


def restaurant() -> Task:
    with _open("extraction/restaurant8k_train_0.json.gz") as file:
        rows = json.load(file)
    instruction = schema_shown(BOOKING)
    pairs = [(f"{instruction}\n\n{_said(row)}", _slots(row)) for row in rows]
    return _by_text("restaurant8k", pairs, {"slot F1": slot_f1, "exact": exact})


def _said(row: dict[str, Any]) -> str:
    """The text alone does not decide what a bare number means; what was asked for does."""
    asked = row.get("context", {}).get("requestedSlots", [])
    return f"Context: {', '.join(asked) or 'nothing'}\nText: {row['userInput']['text']}"


def _slots(row: dict[str, Any]) -> str:
    text, values = row["userInput"]["text"], {}
    for label in row.get("labels", []):
        span = label["valueSpan"]
        values[label["slot"]] = text[span.get("startIndex", 0) : span["endIndex"]]
    return json.dumps(values, ensure_ascii=False)


def shuffled_targets(pairs: Sequence[Pair]) -> list[Pair]:
    outputs = _shuffled([output for _, output in pairs], seed=9)
    return [(prompt, output) for (prompt, _), output in zip(pairs, outputs, strict=True)]


def _question(context: str, asked: dict[str, Any], golds: dict[str, set[str]]) -> Pair:
    """Return the pair with the first answer, and note all that count as right."""
    prompt = ANSWER.format(context, asked["question"])
    golds.setdefault(prompt, set()).update(answer["text"] for answer in asked["answers"])
    return prompt, asked["answers"][0]["text"]


def _by_text(name: str, pairs: list[Pair], metrics: dict[str, Score]) -> Task:
    """Hold out 600 rows for development and 1,000 for the test; equal prompts stay together."""
    outputs: dict[str, list[Pair]] = {}
    for pair in pairs:
        outputs.setdefault(re.sub(r"\W+", " ", pair[0].lower()), []).append(pair)
    groups = _shuffled([outputs[key] for key in sorted(outputs)])
    flat = [
        [pair for group in part for pair in group] for part in (groups[:1000], groups[1000:1600])
    ]
    rest = [pair for group in groups[1600:] for pair in group]
    return Task(name, _shuffled(rest), flat[1], flat[0], metrics)


def _by_group(
    rows: list[dict[str, str]], key: str, test: Sequence[str], dev: Sequence[str]
) -> list[list[dict[str, str]]]:
    held_out = {*test, *dev}
    return [
        [row for row in rows if row[key] not in held_out],
        [row for row in rows if row[key] in set(test)],
        [row for row in rows if row[key] in set(dev)],
    ]


def _shuffled(items: list[Any], *, seed: int = 1) -> list[Any]:
    random.Random(seed).shuffle(items)  # noqa: S311  repeatable splits
    return items


def _open(name: str) -> Any:
    """Open a data file as text. Raises FileNotFoundError naming it."""
    path = DATA / name
    if not path.exists():
        raise FileNotFoundError(f"../shared/data/{name} is not here")
    return gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="")
