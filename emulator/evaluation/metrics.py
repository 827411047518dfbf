"""The metrics that need no model: the score of one prediction against its reference, 0 to 1.

ROUGE (Lin 2004) is as the rouge_score package computes it: F1 of n-grams or common subsequences.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

from emulator.bare_imports import import_bare

ROUGE_TYPES = (*(f"rouge{size}" for size in range(1, 10)), "rougeL", "rougeLsum")
_WORD = re.compile(r"[a-z0-9]+")
_SHORTEST_STEMMED = 4  # rouge_score leaves shorter words alone
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def score_exact_match(prediction: str, reference: str) -> float:
    return float(prediction == reference)


def score_bleu(prediction: str, reference: str, *, use_effective_order: bool = False) -> float:
    from sacrebleu import sentence_bleu

    found = sentence_bleu(prediction, [reference], use_effective_order=use_effective_order)
    return float(found.score) / 100


def score_rouge(
    prediction: str,
    reference: str,
    *,
    rouge_type: str,
    use_stemmer: bool = False,
    split_summaries: bool = False,
) -> float:
    """Return the F1 from 0 to 1; `rouge_type` is rougeN with N from 1 to 9, rougeL or rougeLsum.

    rougeLsum takes a line for a sentence; with `split_summaries` sentences end at . ! and ?.
    `use_stemmer` compares the stems of words of more than three letters.
    """
    ours, theirs = (
        [
            split_words(sentence, stems=use_stemmer)
            for sentence in _sentences(text, rouge_type, split=split_summaries)
        ]
        for text in (prediction, reference)
    )
    match rouge_type:
        case "rougeLsum":
            return _score_summaries(ours, theirs)
        case "rougeL":
            common = len(_common_places(theirs[0], ours[0]))
            return _f1(common, len(ours[0]), len(theirs[0]))
        case _:
            size = int(rouge_type.removeprefix("rouge"))
            found, expected = (_count_ngrams(words[0], size=size) for words in (ours, theirs))
            return _f1((found & expected).total(), found.total(), expected.total())


def split_words(text: str, *, stems: bool = False) -> list[str]:
    words = _WORD.findall(text.lower())
    return [stem_word(word) for word in words] if stems else words


def stem_word(word: str) -> str:
    """Return the stem of a word of lowercase letters and digits, short words as they are."""
    return _stemmer()(word) if len(word) >= _SHORTEST_STEMMED else word


@cache
def _stemmer() -> Callable[[str], str]:
    """Return Porter's stemmer with NLTK's extensions; all of NLTK would cost 1.4 s and 172 MiB."""
    [porter] = import_bare(["nltk.stem.porter"], packages=("nltk", "nltk.stem"))
    stem: Callable[[str], str] = porter.PorterStemmer().stem
    return stem


def _sentences(text: str, rouge_type: str, *, split: bool) -> list[str]:
    """Return the sentences of a summary; to the other types a text is one."""
    if rouge_type != "rougeLsum":
        return [text]
    text = _SENTENCE_END.sub("\n", text) if split else text
    return [line for line in text.split("\n") if line]


def _count_ngrams(words: Sequence[str], *, size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[at : at + size]) for at in range(len(words) - size + 1))


def _score_summaries(ours: list[list[str]], theirs: list[list[str]]) -> float:
    """Score the union of the common subsequences of each reference sentence, each word once."""
    found, expected = (
        Counter(word for each in sentences for word in each) for sentences in (ours, theirs)
    )
    hits = 0
    left_found, left_expected = found.copy(), expected.copy()
    for sentence in theirs:
        places = {place for own in ours for place in _common_places(sentence, own)}
        for place in sorted(places):
            word = sentence[place]
            if left_found[word] > 0 and left_expected[word] > 0:
                hits += 1
                left_found[word] -= 1
                left_expected[word] -= 1
    return _f1(hits, found.total(), expected.total())


def _common_places(first: Sequence[str], second: Sequence[str]) -> list[int]:
    """Return where in `first` the words of a longest common subsequence stand."""
    lengths = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for row, word in enumerate(first, start=1):
        for column, other in enumerate(second, start=1):
            lengths[row][column] = (
                lengths[row - 1][column - 1] + 1
                if word == other
                else max(lengths[row - 1][column], lengths[row][column - 1])
            )
    return _walk_back(lengths, first, second)


def _walk_back(lengths: list[list[int]], first: Sequence[str], second: Sequence[str]) -> list[int]:
    places, row, column = [], len(first), len(second)
    while row and column:
        if first[row - 1] == second[column - 1]:
            places.append(row - 1)
            row, column = row - 1, column - 1
        elif lengths[row][column - 1] > lengths[row - 1][column]:
            column -= 1
        else:
            row -= 1
    return places[::-1]


def _f1(common: int, ours: int, theirs: int) -> float:
    return 2 * common / (ours + theirs) if common else 0.0
