"""Question answering with a short span of a context, as in SQuAD."""

import json
from collections.abc import Mapping
from typing import Any

from service.datasets.drops import DropReason
from service.datasets.examples import collapse, fold
from service.datasets.presets.preset import ConvertedExample, Preset


def _convert(fields: Mapping[str, str]) -> ConvertedExample | DropReason:
    context, question = collapse(fields["context"]), collapse(fields["question"])
    answers = tuple(dict.fromkeys(filter(None, map(collapse, _answers(fields["answers"])))))
    if not answers:
        return DropReason.UNANSWERABLE
    text = f"Context: {context}\nQuestion: {question}" if context and question else ""
    group = fold(fields["title"]) or fold(context)
    return ConvertedExample(text, answers[0], answers, group, (fold(text), fold(answers[0])))


def _answers(field: str) -> list[str]:
    """Return the gold answers of a field: a JSON list, the Hub's {"text": [...]}, or one text."""
    try:
        value: Any = json.loads(field)
    except (ValueError, RecursionError):
        return [field]
    if isinstance(value, dict):
        value = value.get("text", [])
    if isinstance(value, list):
        return [_answer(each) for each in value]
    return [field]


def _answer(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("text", "")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# White space is collapsed in context, question and answers, so that an answer remains a
# span of its context; case is kept. The group is the article, or the context without a title.
# An article has 200 questions and more: without a limit one article would be the whole test, and
# the width of its score could not be estimated (article to article EM varies 2.8 times as much).
SQUAD = Preset(
    name="squad",
    instruction=(
        "Answer the question with a short span copied from the context. Return only the answer."
    ),
    columns=("context", "question", "answers"),
    optional_columns=("title",),
    metrics=("squad_f1", "squad_exact_match"),
    convert=_convert,
    held_out_rows_per_group=20,
    drops_near_duplicates=False,
)
