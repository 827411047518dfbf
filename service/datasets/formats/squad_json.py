"""The SQuAD layout: articles of paragraphs of questions with all their answers."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from service.datasets.faults import FAULTS_SHOWN, RowFaults
from service.datasets.formats.rows import SourceRow, refuse_half_characters
from service.errors import Fault, Invalid
from service.files.contents import limited

# The document is parsed whole and grows about fivefold in memory; SQuAD 2.0's is 42 MB.
DOCUMENT_BYTES_LIMIT = 256 << 20


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


def read_squad_json(chunks: Iterable[bytes]) -> Iterator[SourceRow]:
    """Yield one row for each question: title, context, question, answers (a JSON list).

    Questions that cannot be answered have an empty list. Rows are numbered by question.
    """
    faults = RowFaults()
    number = 0
    for article in _parse(chunks).data:
        for paragraph in article.paragraphs:
            for question in paragraph.qas:
                number += 1
                fields = _fields(article, paragraph, question)
                if not refuse_half_characters(number, fields.values(), faults=faults):
                    yield SourceRow(number, fields)
    faults.finish()


def _fields(article: _Article, paragraph: _Paragraph, question: _Question) -> dict[str, str]:
    answers = [] if question.is_impossible else [answer.text for answer in question.answers]
    return {
        "title": article.title,
        "context": paragraph.context,
        "question": question.question,
        "answers": json.dumps(answers, ensure_ascii=False),
    }


def _parse(chunks: Iterable[bytes]) -> _Document:
    whole = b"".join(limited(chunks, limit_bytes=DOCUMENT_BYTES_LIMIT))
    try:
        document: Any = json.loads(whole.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise Invalid("the file is not one JSON document", code="invalid_json") from None
    try:
        return _Document.model_validate(document)
    except ValidationError as error:
        message = "the document is not laid out as SQuAD: data, paragraphs, qas, answers"
        faults = [
            Fault("/" + "/".join(map(str, each["loc"])), "invalid_layout", each["msg"])
            for each in error.errors(include_input=False, include_context=False)[:FAULTS_SHOWN]
        ]
        raise Invalid(message, code="invalid_layout", faults=faults) from None
