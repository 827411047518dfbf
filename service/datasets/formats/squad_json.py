"""The SQuAD layout: articles of paragraphs of questions with all their answers."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ValidationError

from service.datasets.drops import FAULTS_SHOWN
from service.datasets.formats.read_context import ReadContext
from service.datasets.formats.rows import SourceRow, as_text
from service.errors import Fault, Invalid


def _spelled(text: object) -> object:
    return as_text(text) if isinstance(text, int | float) else text


class _Answer(BaseModel):
    text: Annotated[str, BeforeValidator(_spelled)]


def _listed(given: object) -> object:
    """Return answers as a list of objects, from texts or from lists by member, too."""
    if isinstance(given, dict):
        given = given.get("text", given)
    listed = given if isinstance(given, list) else [given]
    return [
        each if isinstance(each, dict) else {"text": each} for each in listed if each is not None
    ]


class _Question(BaseModel):
    question: str
    answers: Annotated[list[_Answer], BeforeValidator(_listed)] = []
    is_impossible: bool = False


class _Paragraph(BaseModel):
    context: str
    qas: list[_Question]


class _Article(BaseModel):
    title: Annotated[str, BeforeValidator(_spelled)] = ""
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
