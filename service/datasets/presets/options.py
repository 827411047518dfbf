"""The options of a preset in a spec: template, form, labels, target schema."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.datasets.presets.chat_forms import RowForm
from service.datasets.presets.preset import RowProblem
from service.datasets.presets.targets import spelled_labels
from service.errors import Fault, Invalid

# A name and nothing else: a template looks nothing up in objects. White space around the name is
# stripped afterwards, since a pattern with three ways to match a space takes cubic time.
_PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")


FILLED_CHARACTERS = 2_000_000  # more than any model takes

InputTemplate = Annotated[
    str,
    Field(
        min_length=1,
        max_length=20_000,
        pattern=r"\{\{",
        description="the input: text with at least one column in double braces",
        examples=["{{review}}"],
    ),
]
AnswerTemplate = Annotated[
    str,
    Field(
        min_length=1,
        max_length=20_000,
        pattern=r"\{\{",
        description="the answer: text with at least one column in double braces",
        examples=["{{label}}"],
    ),
]


class Template(BaseModel):
    """`{{name}}` stands for the column `name`. `group` is what a split keeps together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instruction: str = Field(default="", max_length=20_000, description="said once, before text")
    text: InputTemplate
    target: AnswerTemplate
    group: str = Field(default="", max_length=1000, description="empty: equal texts stay together")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, each once."""
        return columns_in(self.text, self.target, self.group)


def fill(template: str, fields: Mapping[str, str]) -> str:
    """Replace the placeholders in one pass: what a value holds is never filled in again."""
    return _PLACEHOLDER.sub(lambda found: fields[found[1].strip()], template)


def filled_too_long(fields: Mapping[str, str], *templates: str) -> RowProblem | None:
    """Return what is wrong with a row that would make a template too long, before it is filled.

    A column may be named many times: a row of 100 KB would fill gigabytes.
    """
    for template in templates:
        named = _PLACEHOLDER.findall(template)
        if len(template) + sum(len(fields[name.strip()]) for name in named) > FILLED_CHARACTERS:
            message = f"the filled template would have more than {FILLED_CHARACTERS} characters"
            return RowProblem("template_too_long", f"{message}; shorten the row or name less of it")
    return None


def columns_in(*templates: str) -> tuple[str, ...]:
    """Return the columns that templates name, in order, each once."""
    found = (name.strip() for template in templates for name in _PLACEHOLDER.findall(template))
    return tuple(dict.fromkeys(found))


class SquadOptions(BaseModel):
    """How answers of the preset `squad` are taught.

    `lowercase`: in lower case with white space collapsed, as Google's SQuAD notebook normalises
    them. SQuAD 2.0 has questions without an answer: they are left out, or taught to be answered
    by `no_answer`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    answers: Literal["as_written", "lowercase"] = Field(
        default="as_written", description="how answers are taught"
    )
    unanswerable: Literal["leave_out", "teach"] = Field(
        default="leave_out", description="what becomes of questions without an answer"
    )
    no_answer: str = Field(
        default="unanswerable",
        min_length=1,
        max_length=200,
        pattern=r"\S",
        description="the text that such questions are taught to be answered by",
        examples=["unanswerable"],
    )


@dataclass(frozen=True, slots=True)
class PresetOptions:
    """Each preset takes some of these and refuses the others.

    `labels` may be `train`: those that the targets of the training split hold.
    """

    template: Template | None = None
    form: RowForm | None = None
    labels: tuple[str, ...] | Literal["train"] = ()
    target_schema: Mapping[str, Any] | None = None
    instruction: str | None = None
    squad: SquadOptions | None = None

    def allow_only(self, *allowed: str, preset: str) -> None:
        """Raise Invalid `template_not_allowed`, `labels_not_allowed` … for other options."""
        for each in fields(self):
            if each.name not in allowed and getattr(self, each.name):
                message = f"the preset {preset!r} has its own words; leave the {each.name} out"
                code = f"{each.name}_not_allowed"
                fault = Fault(f"/spec/{each.name}", code, message)
                raise Invalid(message, code=code, faults=[fault])

    def instruction_or(self, default: str, **words: str) -> str:
        """Return the instruction with `{{labels}}` and the like filled in, else the default."""
        if self.instruction is None:
            return default
        text = self.instruction
        for name, value in words.items():
            text = text.replace(f"{{{{{name}}}}}", value)
        return text


def distinct_labels(labels: Sequence[str]) -> dict[str, str]:
    """Return labels by their folded spelling; raises Invalid `labels_alike`."""
    try:
        return spelled_labels(labels)
    except ValueError as error:
        fault = Fault("/spec/labels", "labels_alike", str(error))
        raise Invalid(str(error), code="labels_alike", faults=[fault]) from None


def required_option(name: str, message: str) -> Invalid:
    """Return the error for words that a preset cannot do without."""
    code = f"{name}_required"
    return Invalid(message, code=code, faults=[Fault(f"/spec/{name}", code, message)])
