"""What an answer says, read by the form that the task allows: its mark, normal form and faults.

Pure. The prediction stays as the model wrote it; the *answer* is what is scored.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Any

from service.datasets.examples import Example, collapse, fold
from service.datasets.presets.answer_form import AnswerForm, AnswerKind
from service.datasets.presets.targets import TargetSchema
from service.evaluation.metrics.json_values import json_part, read_json
from service.evaluation.metrics.normal_forms import strip_fence
from service.evaluation.scoring.answer_marks import marked_answer
from service.evaluation.scoring.label_set import LabelSet
from service.inference.ports import Outcome

_FIELD = re.compile(r"\A\s*(?:Text|Input|Sentence|Source|Context|Question):\s*")
# Scripts of which one alone says that a text is not in another's language.
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "THAI", "HANGUL")
_EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA")
_LEAST_LETTERS = 4


class RowFinding(StrEnum):
    """What is wrong with an answer but for its score."""

    WITHOUT_MARK = "without_mark"
    OUTSIDE_LABELS = "outside_labels"
    OUTSIDE_SCHEMA = "outside_schema"
    OUTSIDE_CONTEXT = "outside_context"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    COPIES_INPUT = "copies_input"
    OTHER_LANGUAGE = "other_language"


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What is done to an answer before it is scored; raw metrics alone see it without.

    `version` counts the changes of the steps: scores of two do not compare.
    """

    name: str
    steps: tuple[str, ...]
    version: int = 1

    @property
    def signature(self) -> str:
        return self.name if self.version == 1 else f"{self.name}:{self.version}"


VERBATIM = Normalisation("verbatim", ())
LABEL = Normalisation(
    "label",
    (
        "a code fence, emphasis, quotation marks, brackets, a box or a tag around it are taken off",
        "white space around, final punctuation and characters without width are taken off",
        "letters are composed (Unicode NFC); case, width and the script of digits are folded",
        "spaces, hyphens and underscores are alike",
        "words before it up to a colon or `is`, what follows it after a mark or in brackets, go",
        "emoji go where no label has one; of several lines the last may name the label",
        "of a JSON object or list the one text that is a label is read",
        "an answer equal to a label then becomes that label, unless words around it name another",
        "an explanation after it (`because`, `Reason:`) may name others",
    ),
    version=3,
)
JSON = Normalisation(
    "json",
    (
        "a code fence and white space around the answer are taken off",
        "words around its one object or list are taken off; where there are several, none is",
    ),
    version=2,
)
_NORMALISATIONS = {
    AnswerKind.TEXT: VERBATIM,
    AnswerKind.SPAN: VERBATIM,
    AnswerKind.LABEL: LABEL,
    AnswerKind.JSON: JSON,
}


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """`raw` is what the model gave as its answer, `text` its normal form, which is scored."""

    outcome: Outcome
    raw: str = ""
    text: str = ""


@dataclass(frozen=True)
class AnswerReader:
    """Reads answers of one form; `is_marked` where the prompt asked for reasoning and a mark."""

    form: AnswerForm
    is_marked: bool = False

    @property
    def normalisation(self) -> Normalisation:
        return _NORMALISATIONS[self.form.kind]

    def read(self, outcome: Outcome, text: str) -> ReadAnswer:
        """Return what a prediction says; `unparsable` where the mark is missing."""
        if outcome is not Outcome.OK:
            return ReadAnswer(outcome, text, text)
        if self.is_marked:
            marked = marked_answer(text)
            if marked is None:
                return ReadAnswer(Outcome.UNPARSABLE)
            text = marked
        return ReadAnswer(outcome, text, self._normal(text))

    def _normal(self, text: str) -> str:
        match self.form.kind:
            case AnswerKind.LABEL:
                return self._labels.find(text) or strip_fence(text)
            case AnswerKind.JSON:
                return json_part(text)
            case _:
                return text

    @cached_property
    def _labels(self) -> LabelSet:
        return LabelSet(self.form.labels)

    @cached_property
    def _schema(self) -> TargetSchema | None:
        schema: Mapping[str, Any] | None = self.form.schema
        return TargetSchema(schema) if schema else None

    def findings(self, example: Example, answer: ReadAnswer) -> list[RowFinding]:
        """Return what is wrong with the answer to an example, whatever it scores."""
        if answer.outcome is Outcome.TRUNCATED:
            return [RowFinding.TRUNCATED]
        if answer.outcome is Outcome.UNPARSABLE and self.is_marked:
            return [RowFinding.WITHOUT_MARK]
        if answer.outcome is not Outcome.OK:
            return []
        if not answer.text.strip():
            return [RowFinding.EMPTY] if any(map(str.strip, example.references)) else []
        found = [self._outside(example, answer.text)]
        if copies_input(example, answer.text):
            found.append(RowFinding.COPIES_INPUT)
        if self.form.kind is AnswerKind.TEXT and in_other_script(answer.text, example.target):
            found.append(RowFinding.OTHER_LANGUAGE)
        return [each for each in found if each]

    def _outside(self, example: Example, answer: str) -> RowFinding | None:
        match self.form.kind:
            case AnswerKind.LABEL if self.form.labels and answer not in self.form.labels:
                return RowFinding.OUTSIDE_LABELS
            case AnswerKind.JSON if not self._fits_schema(answer):
                return RowFinding.OUTSIDE_SCHEMA
            case AnswerKind.SPAN if fold(answer) not in fold(example.text):
                return RowFinding.OUTSIDE_CONTEXT
            case _:
                return None

    def _fits_schema(self, answer: str) -> bool:
        try:
            value = read_json(answer)
        except ValueError:
            return False
        return self._schema is None or not list(islice(self._schema.mismatches(value), 1))


def bare_input(text: str) -> str:
    """Return an input without the name of its field, such as `Text:`."""
    return _FIELD.sub("", text)


def copies_input(example: Example, answer: str) -> bool:
    """Say whether an answer is the input itself, where that is not what was wanted."""
    asked, given = fold(bare_input(example.text)), fold(bare_input(answer))
    return given == asked and all(fold(gold) != given for gold in example.references)


def in_other_script(answer: str, target: str) -> bool:
    """Say whether an answer's letters are of other scripts than the target's, each by majority."""
    if answer.isascii() and target.isascii():  # most are, and letter by letter takes its time
        return False
    one, other = main_script(answer), main_script(target)
    return bool(one and other and one != other)


def main_script(text: str) -> str:
    """Return the script of most letters of a text; "" for a few letters or none."""
    counts: dict[str, int] = {}
    for letter in collapse(text)[:400]:
        if letter.isalpha():
            name = "LATIN" if letter.isascii() else _script(letter)
            counts[name] = counts.get(name, 0) + 1
    if sum(counts.values()) < _LEAST_LETTERS:
        return ""
    return max(counts, key=lambda name: counts[name])


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "")
    if name.startswith(_EAST_ASIAN):
        return "EAST ASIAN"
    return next((script for script in _SCRIPTS if name.startswith(script)), "OTHER")
