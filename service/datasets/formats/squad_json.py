"""The SQuAD layout: articles of paragraphs of questions with all their answers."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from service.datasets.drops import FAULTS_SHOWN
from service.datasets.formats.read_context import ReadContext
from service.datasets.formats.rows import SourceRow
from service.errors import Fault, Invalid


class _Answer(BaseModel):
    text: str


class _Question(BaseModel):
    question: str
    answers: list[_Answer] = []
    is_impossible: bool = False


class _Paragraph(BaseModel):
    context: str
    qas: list[_Question]


class _Article(BaseModel):
    title: str = ""
    paragraphs: list[_Paragraph]


class _Document(BaseModel):
    data: list[_Article]


def squad_rows(document: dict[str, Any], context: ReadContext) -> Iterator[SourceRow]:
    """Yield one row for each question: title, context, question, answers (a JSON list).

    Questions that cannot be answered have an empty list. Rows are numbered by question.
    Raises Invalid `invalid_layout`.
    """
    number = 0
    for article in _checked(document).data:
        for paragraph in article.paragraphs:
            for question in paragraph.qas:
                number += 1
                row = context.row_of(number, _record(article, paragraph, question))
                if row is not None:
                    yield row


def _record(article: _Article, paragraph: _Paragraph, question: _Question) -> dict[str, Any]:
    return {
        "title": article.title,
        "context": paragraph.context,
        "question": question.question,
        "answers": [] if question.is_impossible else [each.text for each in question.answers],
    }


def _checked(document: dict[str, Any]) -> _Document:
    try:
        return _Document.model_validate(document)
    except ValidationError as error:
        message = "the document is not laid out as SQuAD: data, paragraphs, qas, answers"
        faults = [
            Fault("/" + "/".join(map(str, each["loc"])), "invalid_layout", each["msg"])
            for each in error.errors(include_input=False, include_context=False)[:FAULTS_SHOWN]
        ]
        raise Invalid(message, code="invalid_layout", faults=faults) from None
