"""The scores of `emulator_learners.py`, 0 to 100, of answers to (prompt, output) pairs."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence

import sacrebleu

Pair = tuple[str, str]
Score = Callable[[Sequence[str], Sequence[Pair]], float]


def exact(answers: Sequence[str], pairs: Sequence[Pair]) -> float:
    return _mean([answer == wanted for answer, (_, wanted) in zip(answers, pairs, strict=True)])


def bleu(answers: Sequence[str], pairs: Sequence[Pair]) -> float:
    return float(sacrebleu.corpus_bleu(list(answers), [[wanted for _, wanted in pairs]]).score)


def best_of(
    score: Callable[[str, str], float],
    golds: dict[str, set[str]],
    answers: Sequence[str],
    pairs: Sequence[Pair],
) -> float:
    """Score against the answer that fits best, as the official scorer does."""
    return _mean(
        [
            max(score(answer, wanted) for wanted in golds[prompt])
            for answer, (prompt, _) in zip(answers, pairs, strict=True)
        ]
    )


def one_em(answer: str, wanted: str) -> float:
    return float(_words(answer) == _words(wanted))


def one_f1(answer: str, wanted: str) -> float:
    one, other = Counter(_words(answer)), Counter(_words(wanted))
    return 2 * (one & other).total() / max(1, one.total() + other.total())


def slot_f1(answers: Sequence[str], pairs: Sequence[Pair]) -> float:
    right = given = wanted = 0
    for answer, (_, output) in zip(answers, pairs, strict=True):
        one, other = _filled(answer), _filled(output)
        right, given, wanted = right + len(one & other), given + len(one), wanted + len(other)
    return 100 * 2 * right / max(1, given + wanted)


def _filled(output: str) -> set[tuple[str, str]]:
    return {(key, str(value).lower()) for key, value in json.loads(output).items() if value}


def _words(text: str) -> list[str]:
    """Lower case, no punctuation, no articles: the official normalisation of SQuAD."""
    return [word for word in re.findall(r"\w+", text.lower()) if word not in {"a", "an", "the"}]


def _mean(values: Sequence[float]) -> float:
    return 100 * sum(values) / max(1, len(values))
