"""The shots of an evaluation: the same ones for every row, others at random, or the nearest.

They come from the training split alone, so no shot shows a held-out answer.
"""

import hashlib
import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.datasets.examples import Example, Split
from service.datasets.queries import DatasetView, stream_examples
from service.errors import Fault, Invalid
from service.evaluation.schemas import EvaluateSpec
from service.evaluation.setup_schemas import ShotSelection
from service.storage.ports import ObjectStore
from service.text import counted

# Shots that differ by row are chosen among so many: their texts are in memory.
POOL = 5_000
_WORD = re.compile(r"\w+")


class Shots(Protocol):
    """Which shots stand before a row; the same ones whenever the row is asked."""

    def of(self, example: Example) -> tuple[Example, ...]: ...


@dataclass(frozen=True, slots=True)
class FixedShots:
    """The same shots for every row."""

    chosen: tuple[Example, ...] = ()

    def of(self, _example: Example) -> tuple[Example, ...]:
        return self.chosen


NO_SHOTS = FixedShots()


@dataclass(frozen=True, slots=True)
class RandomShots:
    """`k` shots drawn anew for each row, by seed and example."""

    pool: Sequence[Example]
    k: int
    seed: int

    def of(self, example: Example) -> tuple[Example, ...]:
        chance = random.Random(f"{self.seed}:{example.id}")  # noqa: S311  repeatable draws
        return tuple(chance.sample(self.pool, self.k))


@dataclass(slots=True)
class NearestShots:
    """The `k` examples whose words are most like a row's, the most similar last.

    Similarity is the cosine of words weighed by their inverse document frequency. Source: Liu et
    al. (2022), What Makes Good In-Context Examples for GPT-3?, who order them so, too.
    """

    pool: Sequence[Example]
    k: int
    _postings: dict[str, tuple[NDArray[np.int32], NDArray[np.float32]]] = field(init=False)

    def __post_init__(self) -> None:
        self._postings = _weighed_postings([_words(each.text) for each in self.pool])

    def of(self, example: Example) -> tuple[Example, ...]:
        scores = np.zeros(len(self.pool), dtype=np.float32)
        for word, count in _words(example.text).items():
            if word in self._postings:
                places, weights = self._postings[word]
                scores[places] += count * weights
        nearest = np.argsort(-scores, kind="stable")[: self.k]
        return tuple(self.pool[place] for place in reversed(nearest.tolist()))


def shots_of(spec: EvaluateSpec, dataset: DatasetView, *, store: ObjectStore) -> Shots:
    """Return the shots of an evaluation's rows.

    Raises Invalid `too_few_examples`, NotFound, Unavailable.
    """
    if not spec.shots:
        return NO_SHOTS
    if spec.shot_selection is ShotSelection.FIXED:
        return FixedShots(_fixed_shots(spec, dataset, store=store))
    pool = _pool(spec, dataset, store=store)
    _check_count(spec.shots, len(pool))
    if spec.shot_selection is ShotSelection.RANDOM:
        return RandomShots(pool, spec.shots, spec.seed)
    return NearestShots(pool, spec.shots)


def _fixed_shots(
    spec: EvaluateSpec, dataset: DatasetView, *, store: ObjectStore
) -> tuple[Example, ...]:
    # The choice needs no texts, and a training split may be as large as memory.
    train = [_without_texts(example) for example in _train(dataset, store=store)]
    chosen = choose_shots(train, spec.shots, seed=spec.seed)
    places = {shot.id: place for place, shot in enumerate(chosen)}
    found = (each for each in _train(dataset, store=store) if each.id in places)
    return tuple(sorted(islice(found, len(places)), key=lambda shot: places[shot.id]))


def _pool(spec: EvaluateSpec, dataset: DatasetView, *, store: ObjectStore) -> list[Example]:
    """Return POOL training examples, or all of fewer, the same for the same seed."""
    train = _train(dataset, store=store)
    return nsmallest(POOL, train, key=lambda each: _order(each.id, seed=spec.seed))


def _train(dataset: DatasetView, *, store: ObjectStore) -> Iterator[Example]:
    return stream_examples(dataset.examples_key, Split.TRAIN, store=store)


def _without_texts(example: Example) -> Example:
    return Example(
        example.id, "", "", (), group=example.group, row=example.row, label=example.label
    )


def choose_shots(train: Sequence[Example], k: int, *, seed: int) -> tuple[Example, ...]:
    """Return `k` examples of the training split, the same for the same seed and examples.

    Examples come in the order of a hash of seed and id, whatever their order in `train`. Each
    next one is the first of the groups used least so far, and among those of the labels used
    least; so the shots for `k` begin the shots for `k + 1`.
    Raises Invalid when `k` is negative or more than there are.
    """
    _check_count(k, len(train))
    rest = sorted(train, key=lambda example: _order(example.id, seed=seed))
    groups: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    chosen: list[Example] = []
    for _ in range(k):
        best = min(rest, key=lambda each: (groups[each.group], labels[each.label]))
        rest.remove(best)
        groups[best.group] += 1
        labels[best.label] += 1
        chosen.append(best)
    return tuple(chosen)


def _check_count(k: int, examples: int) -> None:
    if not 0 <= k <= examples:
        message = (
            f"{counted(k, 'shot was', 'shots were')} asked for; the training split has "
            f"{counted(examples, 'example')}"
        )
        fault = Fault("/spec/shots", "too_few_examples", message)
        raise Invalid(message, code="too_few_examples", faults=[fault])


def _order(example_id: str, *, seed: int) -> tuple[bytes, str]:
    return hashlib.sha256(f"{seed}:{example_id}".encode()).digest(), example_id


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text.casefold()))


def _weighed_postings(
    texts: Sequence[Counter[str]],
) -> dict[str, tuple[NDArray[np.int32], NDArray[np.float32]]]:
    """Return for each word the texts that hold it, and its weight in each, over their length."""
    frequency = Counter(word for words in texts for word in words)
    rarity = {word: math.log(1 + len(texts) / count) for word, count in frequency.items()}
    places: dict[str, list[int]] = {word: [] for word in frequency}
    weights: dict[str, list[float]] = {word: [] for word in frequency}
    for place, words in enumerate(texts):
        length = math.sqrt(sum((count * rarity[word]) ** 2 for word, count in words.items())) or 1
        for word, count in words.items():
            places[word].append(place)
            weights[word].append(count * rarity[word] ** 2 / length)
    return {
        word: (np.array(places[word], np.int32), np.array(weights[word], np.float32))
        for word in frequency
    }
