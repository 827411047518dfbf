"""Question answering with a short span of a context, as in SQuAD."""

import ast
import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from service.datasets.drops import DropReason
from service.datasets.examples import collapse, fold
from service.datasets.formats.rows import JsonParser
from service.datasets.presets.answer_form import ANY_TEXT, AnswerForm, AnswerKind
from service.datasets.presets.options import PresetOptions, SquadOptions
from service.datasets.presets.preset import (
    Converted,
    ConvertedExample,
    CopiedAnswer,
    Preset,
    RowProblem,
)


def squad_preset(options: PresetOptions) -> Preset:
    """Return the preset of the options. Raises Invalid `template_not_allowed` and so on.

    White space is collapsed in context, question and answers, so that an answer remains a span of
    its context. The group is the article, or the context without a title. An article has 200
    questions and more: without a limit one article would be the whole test, and the width of its
    score could not be estimated (article to article EM varies 2.8 times as much).
    """
    options.allow_only("squad", "instruction", preset="squad")
    chosen = options.squad or SquadOptions()
    teaches_none = chosen.unanswerable == "teach"
    lowercase = chosen.answers == "lowercase"
    task = f"{_TASK} {_NO_ANSWER.format(chosen.no_answer)}" if teaches_none else _TASK
    return Preset(
        name="squad",
        instruction=options.instruction_or(task),
        columns=("context", "question", "answers"),
        optional_columns=("title", "is_impossible"),
        metrics=("squad_f1", "squad_exact_match", "exact_match", *(_WEAKER if lowercase else ())),
        convert=partial(_convert, options=chosen),
        answer=ANY_TEXT if teaches_none else AnswerForm(AnswerKind.SPAN),
        copied=CopiedAnswer(lowercase, chosen.no_answer if teaches_none else ""),
        held_out_rows_per_group=20,
        test_groups=10,
        drops_near_duplicates=False,
        grains=("article", "paragraph"),
    )


def _convert(fields: Mapping[str, str], *, options: SquadOptions) -> Converted:
    context, question = collapse(fields["context"]), collapse(fields["question"])
    try:
        given = _answers(fields["answers"])
    except RepeatedAnswersError:
        message = "the answers name a member twice; keep the one that is meant"
        return RowProblem("duplicate_key", message)
    if given is None:
        message = 'the answers are neither a text, a list of texts nor {"text": [...]}; mend them'
        return RowProblem("invalid_answers", message)
    if fold(fields.get("is_impossible", "")) in _YES:
        given = []
    spelled = map(str.lower, given) if options.answers == "lowercase" else given
    answers = tuple(dict.fromkeys(filter(None, map(collapse, spelled))))
    if not answers and options.unanswerable == "leave_out":
        return DropReason.UNANSWERABLE
    answers = answers or (options.no_answer,)
    text = f"Context: {context}\nQuestion: {question}" if context and question else ""
    title, paragraph = fold(fields["title"]), fold(context)
    return ConvertedExample(
        text,
        answers[0],
        answers,
        title or paragraph,
        (fold(text), fold(answers[0])),
        other_group=paragraph if title else "",
    )


def _answers(field: str) -> list[str] | None:
    """Return the gold answers of a field, None where it holds something else.

    It is a JSON list, the Hub's {"text": [...]}, either of them as Python writes it or as JSON in
    a JSON text, null, or one text. Raises RepeatedAnswersError.
    """
    parser = JsonParser()
    try:
        value: Any = parser.parse(field)
    except (ValueError, RecursionError):
        if not _PYTHON.match(field):
            return [field]
        value = _python_value(field)
    else:
        if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
            return _answers(value)
        if value is None or not isinstance(value, list | dict):
            return [] if value is None else [field]
    if parser.repeated:
        raise RepeatedAnswersError
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, dict):
        value = value.get("text", value)
        value = [value] if value is None or isinstance(value, str) else value
    return _texts(value) if isinstance(value, list) else None


class RepeatedAnswersError(ValueError):
    """The answers are an object that names a member twice."""


def _texts(values: list[Any]) -> list[str] | None:
    answers = [_answer(each) for each in values if each is not None]
    texts = [each for each in answers if each is not None]
    return texts if len(texts) == len(answers) else None


def _python_value(field: str) -> Any:
    # NumPy prints no commas between texts, which Python would join into one.
    if len(field) > _PYTHON_CHARACTERS or _SIDE_BY_SIDE.search(field):
        return None
    try:
        return ast.literal_eval(field.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _answer(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("text")
    if isinstance(value, str):
        return value
    return None if value is None or isinstance(value, list | dict) else json.dumps(value)


# A list, a tuple or an object as Python or R writes it, perhaps of NumPy's arrays.
_PYTHON = re.compile(
    r"""\s*(?:[\[{]\s*(?:['"{\[]|(?:None|nan|NaN)\b)|\[\s*\]|(?:np\.)?array\(|c\(\s*["']|\(\s*(['"]).*\1\s*,?\s*\)\s*$)"""
)
_YES = frozenset({"true", "1", "1.0", "yes"})
_SIDE_BY_SIDE = re.compile(r"""(['"])\s+\1""")
_PYTHON_CHARACTERS = 100_000
_TASK = "Answer the question with a short span copied from the context. Return only the answer."
_NO_ANSWER = "If the context does not hold the answer, return: {}"
_WEAKER = ("lowercase_f1", "lowercase_exact_match")
SQUAD = squad_preset(PresetOptions())
