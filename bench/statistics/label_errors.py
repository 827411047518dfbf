"""How many of the first 20 listed rows have a label that was planted wrong.

    PYTHONPATH=. python bench/statistics/label_errors.py [--quick] [--draws N]

On tweets, Banking77 and SST-2 a share of the training labels is replaced by other ones. Models of
the emulator are tuned on nested beginnings, each predicts the last rows, which it has not seen, and
`rank_label_errors` ranks them. Beside it: `random`, the share of wrong labels among those rows, and
`largest model`, rows that the largest of them gets wrong, in stored order. The texts are real, the
models the emulator's: SYNTHETIC. Public labels have errors of their own, which count as misses.
"""

import argparse
import csv
import gzip
import io
import random
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from emulator.learners.tuned_model import train_model
from service.experiments.label_errors import Vote, rank_label_errors

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SIZES, QUICK_SIZES = (200, 800, 1600), (50, 200)
CHECKED, QUICK_CHECKED = 1000, 200
NOISE = (0.01, 0.05, 0.20)
FIRST = 20
Pair = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 rows, sizes 50 and 200")
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    if not DATA.exists():
        parser.exit(message="../shared/data is not here: nothing to run\n")
    sizes = QUICK_SIZES if options.quick else SIZES
    checked = QUICK_CHECKED if options.quick else CHECKED
    print(f"sizes {sizes}, {checked} rows checked, mean of {options.draws} draws (SYNTHETIC)")
    print("| task | wrong labels | precision at 20 | largest model | random | listed |")
    print("|---|---|---|---|---|---|")
    for name, pairs in tasks().items():
        for share in NOISE:
            found = [
                measure(pairs, share, sizes=sizes, checked=checked, seed=seed)
                for seed in range(options.draws)
            ]
            ours, single, chance, listed = (mean(column) for column in zip(*found, strict=True))
            print(
                f"| {name} | {share:.0%} | {ours:.2f} | {single:.2f} | {chance:.2f} "
                f"| {listed:.0f} |",
                flush=True,
            )


def measure(
    pairs: Sequence[Pair], share: float, *, sizes: Sequence[int], checked: int, seed: int
) -> tuple[float, float, float, int]:
    """Return precision at 20: ours, of the largest model alone, by chance; and how many rows."""
    rng = random.Random(seed)  # noqa: S311  repeatable
    rows = rng.sample(list(pairs), sizes[-1] + checked)
    labels = sorted({label for _, label in rows})
    noisy, wrong = [], set()
    for place, (text, label) in enumerate(rows):
        if rng.random() < share:
            wrong.add(place)
            noisy.append((text, rng.choice([each for each in labels if each != label])))
        else:
            noisy.append((text, label))
    votes, single = [], []
    places = range(sizes[-1], len(rows))
    for size in sizes:
        model = train_model(noisy[:size], seed=seed)
        answers = model.answer_many([noisy[place][0] for place in places])
        given = list(zip(places, answers, strict=True))
        votes += [
            Vote(str(size), place, noisy[place][1], answer, answer == noisy[place][1])
            for place, answer in given
        ]
        single = [place for place, answer in given if answer != noisy[place][1]]
    ranked = [each.position for each in rank_label_errors(votes, closed=True)]
    chance = sum(place in wrong for place in places) / checked
    return _precision(ranked, wrong), _precision(single, wrong), chance, len(ranked)


def _precision(ranked: Sequence[int], wrong: set[int]) -> float:
    return sum(place in wrong for place in ranked[:FIRST]) / FIRST


def tasks() -> dict[str, list[Pair]]:
    """Return prompts and labels of each task."""
    tweets = _table("tweets/tweet_sentiment_extraction_shared.csv.gz")
    banking = _table("classification/banking77_train.csv.gz")
    lines = _text("classification/sst2_train.tsv.gz").splitlines()
    named = {"0": "negative", "1": "positive"}
    reviews = [line.rsplit("\t", 1) for line in lines if "\t" in line]
    return {
        "tweets": [(row["text"], row["sentiment"]) for row in tweets if row["text"].strip()],
        "banking77": [(row["text"], row["category"]) for row in banking],
        "sst2": [(text, named[label]) for text, label in reviews if len(text.split()) > 3],  # noqa: PLR2004  fragments say little
    }


def _table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(_text(name))))


def _text(name: str) -> str:
    return gzip.decompress((DATA / name).read_bytes()).decode()


if __name__ == "__main__":
    main()
