"""Exact match and F1 of short answers: SQuAD 1.1 and 2.0, a weaker form, and any language."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from service.evaluation.metrics.measures import References, RowAverage
from service.evaluation.metrics.normal_forms import UNSPACED, fold_forms, lacks_spaces
from service.evaluation.statistics.intervals import Array

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
# What distinguishes answers that differ in marks alone: -5 and 5, 1.5 and 15, C++, C# and C.
_SIGN = re.compile(r"(?<![\w)\].,])[-\u2212](?=[.,]?\d)")
_SHARP = re.compile(r"(?<=\w)#(?!\w)")
_THOUSANDS = re.compile(
    r"(?<=\d)(?:[.,'\u2019\u00a0\u202f\u066c](?=\d{3}(?!\d))|,(?=(?:\d{2},)+\d{3}(?!\d)))"
)
_DECIMAL = re.compile(r"(?<=\d)[.,\u066b](?=\d)")
_TELLING = re.compile(rf"{_SIGN.pattern}|(?<=\d)\.(?=\d)|(?<=\w)[#+]+(?!\w)")
_KEPT = {"-": "\u2212", "#": "\u266f", ".": "\u2396"}  # marks that are no punctuation to Unicode
_TOKEN = re.compile(rf"{UNSPACED.pattern}|(?:(?!{UNSPACED.pattern})\S)+")


def normalise_answer(text: str) -> str:
    """Lower-case, drop ASCII punctuation, then articles, then surplus white space.

    Source: `normalize_answer` of evaluate-v1.1.py (Rajpurkar et al. 2016). The order matters:
    `a.` loses its point first and is then an article.
    """
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def is_emptied(text: str) -> bool:
    """Say whether SQuAD's normalisation leaves nothing: `A`, `The`, `+`; its F1 is 0 for these."""
    return not normalise_answer(text)


def is_misread(text: str) -> bool:
    """Say whether SQuAD's normalisation, made for English, loses what distinguishes answers.

    That is the sign or the point of a number, what follows the letter in C++ and C#, and the words
    of a text without spaces between them, which are one word to it.
    """
    return _TELLING.search(text) is not None or lacks_spaces(text)


def lower_collapsed(text: str) -> str:
    """Lower-case and collapse white space: `normalize_answer` of Google's SQuAD notebook."""
    return " ".join(text.lower().split())


def multilingual_tokens(text: str) -> list[str]:
    """Return folded words without punctuation; each character where no spaces part words.

    Source: the evaluation of MLQA (Lewis et al. 2020), mixed segmentation, punctuation of all
    scripts. Articles stay, as `a` is a word of French; a text of punctuation alone keeps it. Beyond
    that source case, width and digits are folded (`fold_forms`), marks between thousands go (1,000
    is 1000), and a number keeps sign and point, C# its mark: each makes it another answer.
    """
    numbers = _THOUSANDS.sub("", text)
    marked = _DECIMAL.sub(_KEPT["."], _SIGN.sub(_KEPT["-"], _SHARP.sub(_KEPT["#"], numbers)))
    folded = fold_forms(marked)
    words = "".join(each for each in folded if not _is_punctuation(each))
    return _TOKEN.findall(words) or _TOKEN.findall(folded)


def _is_punctuation(letter: str) -> bool:
    return unicodedata.category(letter).startswith("P")


def token_f1(predicted: Sequence[str], expected: Sequence[str]) -> float:
    """Return the harmonic mean of token precision and recall, 0 to 1; `f1_score` of SQuAD 1.1."""
    shared = (Counter(predicted) & Counter(expected)).total()
    if not shared:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(expected)
    return 2 * precision * recall / (precision + recall)


class SquadExactMatch(RowAverage):
    """Share of answers equal to any reference after SQuAD normalisation, 0 to 100."""

    def earned(self, prediction: str, reference: str) -> float:
        return float(normalise_answer(prediction) == normalise_answer(reference))


class SquadF1(RowAverage):
    """Mean token F1 against the best reference after SQuAD normalisation, 0 to 100."""

    def earned(self, prediction: str, reference: str) -> float:
        return token_f1(normalise_answer(prediction).split(), normalise_answer(reference).split())


class _Squad2(RowAverage):
    """References that normalisation empties count only where a row has no other."""

    def statistics(self, predictions: Sequence[str], references: References) -> Array:
        kept = [[gold for gold in golds if not is_emptied(gold)] or [""] for golds in references]
        return super().statistics(predictions, kept)


class Squad2ExactMatch(_Squad2, SquadExactMatch):
    """Share of answers equal to any reference by evaluate-v2.0.py, 0 to 100.

    An empty reference says that the question has no answer (Rajpurkar, Jia and Liang 2018).
    """


class Squad2F1(_Squad2):
    """Mean token F1 by evaluate-v2.0.py, 0 to 100: no answer earns 1 where none is right."""

    def earned(self, prediction: str, reference: str) -> float:
        predicted, expected = normalise_answer(prediction), normalise_answer(reference)
        if not predicted or not expected:
            return float(predicted == expected)
        return token_f1(predicted.split(), expected.split())


class LowercaseExactMatch(RowAverage):
    """Share of answers equal to any reference, case and inner white space aside, 0 to 100."""

    def earned(self, prediction: str, reference: str) -> float:
        return float(lower_collapsed(prediction) == lower_collapsed(reference))


class LowercaseF1(RowAverage):
    """Mean F1 of lower-case words, articles and punctuation kept, 0 to 100."""

    def earned(self, prediction: str, reference: str) -> float:
        return token_f1(prediction.lower().split(), reference.lower().split())


class MultilingualF1(RowAverage):
    """Mean token F1 in any language, 0 to 100; Chinese, Japanese and Thai count by character."""

    def earned(self, prediction: str, reference: str) -> float:
        return token_f1(multilingual_tokens(prediction), multilingual_tokens(reference))
