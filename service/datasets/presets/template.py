"""The words of the preset `generic`, as the spec gives them."""

from pydantic import BaseModel, ConfigDict, Field


class Template(BaseModel):
    """`{{name}}` stands for the column `name`. `group` is what a split keeps together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instruction: str = Field(default="", max_length=20_000, description="said once, before text")
    text: str = Field(min_length=1, max_length=20_000, pattern=r"\{\{", examples=["{{review}}"])
    target: str = Field(min_length=1, max_length=20_000, pattern=r"\{\{", examples=["{{label}}"])
    group: str = Field(default="", max_length=1000, description="empty: equal texts stay together")
