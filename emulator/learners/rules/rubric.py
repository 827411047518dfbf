"""Base rule for judging by a rubric: what its sentences demand, and words shared with the task.

It sways as real judges do: a little towards what stands first and towards what is longer (Zheng et
al. 2023, Judging LLM-as-a-judge). How much is invented and says nothing about any real model.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from emulator.learners.rules.classification import content_stems
from emulator.learners.tokens import stem, words_of

OPTIONS = re.compile(
    r"\bthe rubric alone\b[^\n]*\boptions? only\b[^:\n]*:\s*(?P<options>[^\n]+?)\.?$"
)
GRADES = re.compile(
    r"\bthe rubric alone\b[^\n]*\bgrades? only\b[^:\n]*:\s*(?P<options>[^\n]+?)\.?$"
)
SECTION = re.compile(r"<(?P<name>\w+)>\n(?P<text>.*?)\n</(?P=name)>", re.DOTALL)
QUOTED = re.compile(r"[\"“](.+?)[\"”]")
FORBIDS = re.compile(r"\b(?:not|never|no|without|avoid)\b", re.IGNORECASE)
MOST_WORDS = re.compile(r"\b(?:at most|up to|under|within)\s+(\d+)\s+words\b", re.IGNORECASE)
LEAST_WORDS = re.compile(r"\b(?:at least|more than|over)\s+(\d+)\s+words\b", re.IGNORECASE)
FIRST, TIE = "first", "tie"
# Of a quality from 0 to 1: what a place and a greater length are worth, and what still is a tie.
FIRST_BIAS, LENGTH_BIAS, TIED = 0.04, 0.02, 0.02
LENGTHS = 200  # characters more that earn all of the bias


@dataclass(frozen=True, slots=True)
class Grading:
    """A question to a judge: its options as they stand, and the texts by their tags."""

    options: tuple[str, ...]
    texts: dict[str, str]
    compares: bool

    def reply(self) -> str:
        return self._comparison() if self.compares else self._grade()

    def _grade(self) -> str:
        grades = sorted(self.options, key=float)
        value = quality(self.texts.get("answer", ""), self.texts)
        return grades[min(len(grades) - 1, int(value * len(grades)))]

    def _comparison(self) -> str:
        one, other = self.texts.get("first", ""), self.texts.get("second", "")
        longer = max(-1.0, min(1.0, (len(one) - len(other)) / LENGTHS))
        lead = quality(one, self.texts) - quality(other, self.texts) + LENGTH_BIAS * longer
        lead += FIRST_BIAS
        if abs(lead) <= TIED and TIE in self.options:
            return TIE
        return self.options[0 if (lead > 0) == (self.options[0] == FIRST) else 1]


def read_grading(turns: Sequence[tuple[str, str]]) -> Grading | None:
    """Return what a judge is asked; None where no verdict by a rubric is asked for."""
    question, _, _ = turns[-1][1].partition("\n\n") if turns else ("", "", "")
    grades, options = GRADES.search(question), OPTIONS.search(question)
    found = grades or options
    if found is None:
        return None
    said = tuple(option.strip() for option in found["options"].split(","))
    if grades and not all(option.isdigit() for option in said):
        return None
    texts = {each["name"]: each["text"] for each in SECTION.finditer(turns[-1][1])}
    return Grading(said, texts, compares=grades is None)


def quality(answer: str, texts: dict[str, str]) -> float:
    """Return how good an answer is, 0 to 1: the mean of what the rubric's sentences that this rule
    understands demand, and of the words shared with the reference, without one with the task.
    """
    demands = [
        _fulfils(answer, sentence)
        for sentence in re.split(r"(?<=[.;!])\s+|\n", texts.get("rubric", ""))
    ]
    reference = texts.get("reference")
    shared = _shared_words(answer, reference) if reference else _relevance(answer, texts)
    known = [each for each in (*demands, shared) if each is not None]
    return sum(known) / len(known)


def _fulfils(answer: str, sentence: str) -> float | None:
    """Return whether an answer is as a sentence demands; None where that is not understood."""
    if quoted := QUOTED.findall(sentence):
        said = [each.casefold() in answer.casefold() for each in quoted]
        return sum(not each if FORBIDS.search(sentence) else each for each in said) / len(said)
    words = len(words_of(answer))
    if most := MOST_WORDS.search(sentence):
        return float(words <= int(most[1]))
    if least := LEAST_WORDS.search(sentence):
        return float(words >= int(least[1]))
    return None


def _shared_words(answer: str, reference: str) -> float:
    """Return F1 of the stems of two texts, order aside."""
    one, other = (Counter(stem(word) for word in words_of(text)) for text in (answer, reference))
    both = (one & other).total()
    return 2 * both / (one.total() + other.total()) if both else 0.0


def _relevance(answer: str, texts: dict[str, str]) -> float:
    """Return the share of an answer's stems that the task has."""
    own = content_stems(answer)
    return len(own & content_stems(texts.get("task", ""))) / len(own) if own else 0.0
