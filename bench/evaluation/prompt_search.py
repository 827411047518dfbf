"""Successive halving of prompts, as the product does it, beside gepa: same writer, rows and budget.

    PYTHONPATH=. python bench/evaluation/prompt_search.py [--splits 20] [--gepa FOLDER]

`FOLDER` is where gepa is installed (`pip install --target FOLDER gepa`), which is no dependency of
ours. The emulator's base rules answer. They cannot write instructions: for both searches a stand-in
does, with words that examples of one label share. SYNTHETIC: it compares ways to spend calls, and
says nothing about Gemini.
"""

import argparse
import csv
import gzip
import importlib
import importlib.util
import io
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import stdev
from typing import Any

from bench.evaluation.public_tasks import DATA
from emulator.learners.rules.base_model import answer_base
from service.datasets.presets.classification import instruction_for
from service.datasets.presets.sentiment import SENTIMENT
from service.evaluation.prompts import keep_best, plan_rounds
from service.evaluation.scoring.label_set import LabelSet

Row = tuple[str, str]  # text and label
BUDGET, TRAIN_ROWS, SHOWN = 400, 300, 8
GEPA_BUDGET = 340  # it looks at its budget after a step, and does not count what it has written
THINGS = ["kettle", "lamp", "saddle", "ticket", "ladder", "window", "carpet", "router", "engine"]
COMMON = frozenset(("and", "are", "but", "can", "for", "how", "not", "that", "the", "this", "was"))


@dataclass(frozen=True, slots=True)
class Task:
    """A naive instruction, its labels, rows, and how many of them are test rows."""

    instruction: str
    labels: Sequence[str]
    rows: Sequence[Row]
    test_rows: int = 200


@dataclass
class Model:
    """The emulator's base model; `calls` are those that were not made before."""

    labels: LabelSet
    calls: int = 0
    answered: dict[tuple[str, str], float] = field(default_factory=dict)

    def earned(self, instruction: str, row: Row) -> float:
        key = (instruction, row[0])
        if key not in self.answered:
            self.calls += 1
            said = answer_base([("user", f"{instruction}\n\nText: {row[0]}")])
            self.answered[key] = float(self.labels.find(said) == row[1])
        return self.answered[key]

    def mean(self, instruction: str, rows: Sequence[Row]) -> float:
        return sum(self.earned(instruction, row) for row in rows) / len(rows)

    def write(self, instruction: str, rows: Sequence[Row], drawn: random.Random) -> str:
        """Return the instruction with hints: words that the examples of one label alone have."""
        self.calls += 1
        words: dict[str, Counter[str]] = defaultdict(Counter)
        for text, label in rows:
            words[label].update(sorted(set(re.findall(r"[a-z']{3,}", text.lower())) - COMMON))
        hints = []
        for label, own in words.items():
            others = set().union(*(words[each] for each in words if each != label))
            typical = [word for word, _ in own.most_common() if word not in others][:6]
            drawn.shuffle(typical)
            if typical:
                hints.append(f"Texts that mention {' or '.join(typical[:2])} are {label}.")
        return "\n".join([*hints, instruction])


def planted() -> Task:
    """Texts whose words say nothing of the names of their labels: only a hint can."""
    clues = {"amber": ("parcel", "delivery"), "cobalt": ("invoice", "amount")}
    pairs = [(one, other) for one in THINGS for other in THINGS if one != other]
    rows = [
        (f"the {words[at % 2]} of my {one} and {other} {at}", label)
        for at, (one, other) in enumerate(pairs)
        for label, words in clues.items()
    ]
    return Task("Classify the text. Labels: amber, cobalt", tuple(clues), rows, test_rows=40)


def tweets() -> Task:
    rows = _rows("tweets/tweet_sentiment_extraction_shared.csv.gz", "sentiment")
    return Task(SENTIMENT.instruction, ("negative", "neutral", "positive"), rows)


def banking() -> Task:
    rows = _rows("classification/banking77_train.csv.gz", "category")
    labels = tuple(sorted({label for _, label in rows}))
    return Task(instruction_for(labels), labels, rows)


def _rows(name: str, label: str) -> list[Row]:
    text = io.StringIO(gzip.decompress((DATA / name).read_bytes()).decode())
    return [(row["text"], row[label]) for row in csv.DictReader(text) if row["text"].strip()]


def halve(
    model: Model,
    naive: str,
    train: Sequence[Row],
    known: Sequence[Row],
    *,
    seed: int,
    proposals: int,
) -> str:
    drawn, shown = random.Random(seed), train[: proposals * SHOWN]  # noqa: S311  repeatable
    written = [model.write(naive, shown[at::proposals], drawn) for at in range(proposals)]
    left = list(dict.fromkeys([naive, *written]))
    rounds = plan_rounds(len(left), rows=len(known), calls=BUDGET - proposals)
    for number, each in enumerate(rounds, start=1):
        scores = [model.mean(prompt, known[: each.rows]) for prompt in left]
        keep = rounds[number].prompts if number < len(rounds) else 1
        left = [left[at] for at in keep_best(scores, keep=keep, higher_is_better=True)]
    return left[0]


class Adapter:
    """How gepa asks the model, and what it shows the writer."""

    propose_new_texts = None

    def __init__(self, model: Model, batch: Callable[..., Any]) -> None:
        self._model, self._batch = model, batch

    def evaluate(
        self,
        batch: Sequence[Row],
        candidate: dict[str, str],
        capture_traces: bool = False,  # noqa: FBT001, FBT002  gepa's signature
    ) -> Any:
        scores = [self._model.earned(candidate["instruction"], row) for row in batch]
        traces = list(batch) if capture_traces else None
        return self._batch(outputs=scores, scores=scores, trajectories=traces)

    def make_reflective_dataset(self, _candidate: Any, found: Any, _components: Any) -> Any:
        return {"instruction": [{"row": row} for row in found.trajectories]}


class Quiet:
    """A log that says nothing."""

    def log(self, message: str) -> None:
        pass


def evolve(
    model: Model,
    naive: str,
    train: Sequence[Row],
    known: Sequence[Row],
    *,
    seed: int,
    minibatch: int,
) -> str:
    gepa, adapter = importlib.import_module("gepa"), importlib.import_module("gepa.core.adapter")
    drawn = random.Random(seed)  # noqa: S311  repeatable

    def propose(candidate: dict[str, str], shown: Any, _components: Any) -> dict[str, str]:
        rows = [each["row"] for each in shown["instruction"]]
        return {"instruction": model.write(candidate["instruction"], rows, drawn)}

    found = gepa.optimize(
        {"instruction": naive},
        trainset=list(train),
        valset=list(known),
        adapter=Adapter(model, adapter.EvaluationBatch),
        custom_candidate_proposer=propose,
        reflection_minibatch_size=minibatch,
        max_metric_calls=GEPA_BUDGET,
        skip_perfect_score=False,
        seed=seed,
        logger=Quiet(),
    )
    return str(found.best_candidate["instruction"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--gepa", type=Path, help="the folder where gepa is installed")
    options = parser.parse_args()
    if options.gepa:
        sys.path.append(str(options.gepa))
    searches: dict[str, Callable[..., str]] = {
        f"halving, {count} proposals": _with(halve, proposals=count) for count in (4, 8, 16)
    }
    if importlib.util.find_spec("gepa"):
        searches |= {f"gepa, minibatch of {rows}": _with(evolve, minibatch=rows) for rows in (3, 8)}
    for make in (planted, tweets, banking):
        if make is not planted and not DATA.exists():
            continue
        for rows in (30, 60):
            print(f"\n{make.__name__}, {rows} validation rows (SYNTHETIC)")
            compare(make(), searches, splits=options.splits, validation_rows=rows)


def _with(search: Callable[..., str], **fixed: int) -> Callable[..., str]:
    return lambda *rows, seed: search(*rows, seed=seed, **fixed)


def compare(
    task: Task, searches: dict[str, Callable[..., str]], *, splits: int, validation_rows: int
) -> None:
    """Print what each search gains over the naive prompt on test rows, and the calls it makes."""
    gains, calls = defaultdict(list), defaultdict(list)
    for seed in range(splits):
        rows = list(task.rows)
        random.Random(100 + seed).shuffle(rows)  # noqa: S311  repeatable
        start = task.test_rows + validation_rows
        test, known = rows[: task.test_rows], rows[task.test_rows : start]
        train, labels = rows[start : start + TRAIN_ROWS], LabelSet(task.labels)
        naive = Model(labels).mean(task.instruction, test)
        for name, search in searches.items():
            model = Model(labels)
            best = search(model, task.instruction, train, known, seed=seed)
            gains[name].append(100 * (Model(labels).mean(best, test) - naive))
            calls[name].append(model.calls)
    for name in searches:
        mean, spent = sum(gains[name]) / splits, calls[name]
        error = stdev(gains[name]) / splits**0.5
        gain = f"{mean:+5.1f} points (standard error {error:.1f})"
        print(f"  {name:22} {gain}, {min(spent)} to {max(spent)} calls", flush=True)


if __name__ == "__main__":
    main()
