"""The columns of a stored answer, once for every table that holds answers."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.inference.ports import Generation

_FINISH_REASON_LENGTH, _ERROR_LENGTH = 50, 500


class AnswerColumns:
    """Mixin of a table whose rows hold a Generation: one column for each of its fields."""

    outcome: Mapped[str] = mapped_column(String(20))
    text: Mapped[str] = mapped_column(Text)
    finish_reason: Mapped[str] = mapped_column(String(_FINISH_REASON_LENGTH), default="")
    error: Mapped[str] = mapped_column(String(_ERROR_LENGTH), default="")
    prompt_tokens: Mapped[int] = mapped_column(Integer, default=0)
    output_tokens: Mapped[int] = mapped_column(Integer, default=0)
    usage: Mapped[dict[str, Any]] = mapped_column(default=dict)
    synthetic: Mapped[bool] = mapped_column(Boolean, default=False)


ANSWER_COLUMNS = tuple(AnswerColumns.__annotations__)


def answer_values(generation: Generation) -> Mapping[str, Any]:
    """Return the value of each column; long reasons and errors are cut to the column's length."""
    return {
        "outcome": generation.outcome.value,
        "text": generation.text,
        "finish_reason": generation.finish_reason[:_FINISH_REASON_LENGTH],
        "error": generation.error[:_ERROR_LENGTH],
        "prompt_tokens": generation.prompt_tokens,
        "output_tokens": generation.output_tokens,
        "usage": dict(generation.usage),
        "synthetic": generation.synthetic,
    }
