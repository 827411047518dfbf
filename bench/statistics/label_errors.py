"""How many of the first listed rows have a label that was planted wrong.

    PYTHONPATH=. python bench/statistics/label_errors.py [--quick] [--draws N] [--first-seed N]

On tweets, Banking77 and SST-2 a share of the training labels is replaced by other ones. Models of
the emulator are tuned on nested beginnings, each predicts the last rows, which it has not seen, and
the service ranks them: by votes, probabilities of answers and labels of similar rows, without the
latter, and by votes alone. Beside it, on the same predictions: confident learning by the
probabilities of the answers, as a service that is asked has them, and by those of all labels, which
it does not return; `largest model`, rows that the largest of them gets wrong, in stored order;
`random`, the share of wrong labels among those rows.

Of 1,000 rows with 1 % of wrong labels ten are to be found, so the first 20 hold half of them at
most: precision at 20 stands beside that ceiling, and with it the recall at as many rows as were
planted and the average precision.
The texts are real, the models the emulator's: SYNTHETIC. Public labels have errors of their own,
which count as misses.
"""

import argparse
import csv
import gzip
import io
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

from emulator.learners.tuned_model import train_model
from service.experiments.label_errors import Vote, rank_label_errors
from service.experiments.label_neighbours import weigh_neighbours

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
    parser.add_argument("--first-seed", type=int, default=0, help="other ones are fresh draws")
    options = parser.parse_args()
    if not DATA.exists():
        parser.exit(message="../shared/data is not here: nothing to run\n")
    sizes = QUICK_SIZES if options.quick else SIZES
    checked = QUICK_CHECKED if options.quick else CHECKED
    print(f"sizes {sizes}, {checked} rows checked, mean of {options.draws} draws (SYNTHETIC)")
    print(f"| task | wrong labels | ceiling | {' | '.join(COLUMNS)} | random |")
    for name, pairs in tasks().items():
        for share in NOISE:
            found = [
                measure(pairs, share, sizes=sizes, checked=checked, seed=seed)
                for seed in range(options.first_seed, options.first_seed + options.draws)
            ]
            ceiling, chance = (mean(each[at] for each in found) for at in (0, 2))
            columns = zip(*(each[1] for each in found), strict=True)
            shown = [
                " / ".join(f"{mean(of):.2f}" for of in zip(*each, strict=True)) for each in columns
            ]
            print(
                f"| {name} | {share:.0%} | {ceiling:.2f} | {' | '.join(shown)} | {chance:.2f} |",
                flush=True,
            )


COLUMNS = (
    "ours",
    "without neighbours",
    "votes alone",
    "confident learning",
    "with all probabilities",
    "largest model",
)
Measures = tuple[float, float, float]  # precision at 20, recall at the number planted, average


def measure(
    pairs: Sequence[Pair], share: float, *, sizes: Sequence[int], checked: int, seed: int
) -> tuple[float, list[Measures], float]:
    """Return the ceiling of precision at 20, the measures of each of `COLUMNS`, and chance."""
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
    places = range(sizes[-1], len(rows))
    votes, own = [], []
    for size in sizes:
        for vote, chance in predictions(noisy, places, size=size, seed=seed):
            votes.append(vote)
            own.append(chance)
    single = [each.position for each in votes[-len(places) :] if not each.agrees]
    plain = [replace(each, probability=None) for each in votes]
    found = rank_label_errors(votes, closed=True)
    ranked = (
        [each.position for each in weigh_neighbours(found, dict(enumerate(noisy)))],
        [each.position for each in found],
        [each.position for each in rank_label_errors(plain, closed=True)],
        confident_learning(votes, _stated(votes, labels=len(labels))),
        confident_learning(votes, own),
        single,
    )
    planted = wrong & set(places)
    return (
        min(FIRST, len(planted)) / FIRST,
        [_measures(each, planted) for each in ranked],
        len(planted) / checked,
    )


def predictions(
    noisy: Sequence[Pair], places: Sequence[int], *, size: int, seed: int
) -> Iterator[tuple[Vote, float]]:
    """Yield what a model of so many rows says of others, and how likely it finds their label."""
    model = train_model(noisy[:size], seed=seed)
    answers = model.answer_many([noisy[place][0] for place in places])
    for place, answer in zip(places, answers, strict=True):
        text, label = noisy[place]
        believed = model.learner.distribution(model.layout.parse(text))
        chance = believed.probability(answer)
        yield (
            Vote(str(size), place, label, answer, answer == label, chance),
            believed.probability(label),
        )


def _stated(votes: Sequence[Vote], *, labels: int) -> list[float]:
    """Return how likely each row's label is, by an answer and its probability."""
    return [
        chance if each.agrees else (1 - chance) / (labels - 1)
        for each, chance in ((each, each.probability or 0.0) for each in votes)
    ]


def confident_learning(votes: Sequence[Vote], own: Sequence[float]) -> list[int]:
    """Rank rows as cleanlab does: those off the diagonal of the confident joint, by the mean
    probability of their label (self-confidence). `own` has that probability by each vote.

    Source: Northcutt, Jiang and Chuang (2021), Confident Learning, sections 3.1 and 3.2. A row
    is counted where its likeliest answer reaches the mean probability that rows of that label
    give to it.
    """
    given, answers, labels = defaultdict(list), defaultdict(list), {}
    for vote, chance in zip(votes, own, strict=True):
        given[vote.position].append(chance)
        answers[vote.position].append((vote.probability or 0.0, vote.answer))
        labels[vote.position] = vote.label
    believed = {place: mean(chances) for place, chances in given.items()}
    bars = {
        label: mean(believed[place] for place in labels if labels[place] == label)
        for label in set(labels.values())
    }
    suspects = []
    for place, reported in answers.items():
        likeliest = max({name for _, name in reported}, key=lambda name: _weight(reported, name))
        if likeliest != labels[place] and _weight(reported, likeliest) >= bars.get(likeliest, 0.0):
            suspects.append(place)
    return sorted(suspects, key=lambda place: believed[place])


def _weight(reported: Sequence[tuple[float, str]], name: str) -> float:
    return sum(chance for chance, each in reported if each == name) / len(reported)


def _measures(ranked: Sequence[int], wrong: set[int]) -> Measures:
    hits = [place in wrong for place in ranked]
    found = [sum(hits[: at + 1]) / (at + 1) for at, hit in enumerate(hits) if hit]
    planted = max(1, len(wrong))
    return sum(hits[:FIRST]) / FIRST, sum(hits[:planted]) / planted, sum(found) / planted


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
