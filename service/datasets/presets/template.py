"""The words of a preset, with places for columns; nothing in a template is ever run."""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

# A name and nothing else: a template looks nothing up in objects. White space around the name is
# stripped afterwards, since a pattern with three ways to match a space takes cubic time.
_PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")


class Template(BaseModel):
    """`{{name}}` stands for the column `name`. `group` is what a split keeps together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instruction: str = Field(default="", max_length=20_000, description="said once, before text")
    text: str = Field(min_length=1, max_length=20_000, pattern=r"\{\{", examples=["{{review}}"])
    target: str = Field(min_length=1, max_length=20_000, pattern=r"\{\{", examples=["{{label}}"])
    group: str = Field(default="", max_length=1000, description="empty: equal texts stay together")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, each once."""
        return columns_in(self.text, self.target, self.group)


def fill(template: str, fields: Mapping[str, str]) -> str:
    """Replace the placeholders in one pass: what a value holds is never filled in again."""
    return _PLACEHOLDER.sub(lambda found: fields[found[1].strip()], template)


def columns_in(*templates: str) -> tuple[str, ...]:
    """Return the columns that templates name, in order, each once."""
    found = (name.strip() for template in templates for name in _PLACEHOLDER.findall(template))
    return tuple(dict.fromkeys(found))
