"""One example of a dataset, and the words that put it to a model."""

from dataclasses import dataclass, field
from enum import StrEnum

from service.datasets.chats import Turn


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Example:
    """A question and its answers.

    `text` is the user's turn without the instruction; `target` is what training teaches;
    `references` are all gold answers (the target among them); `group` is what a split keeps
    together; `label` stratifies and is empty where there are no labels; `row` is the 1-based
    number of the source row. `history` are turns before `text`, `system` what the system says in
    this example only.
    """

    id: str
    text: str
    target: str
    references: tuple[str, ...]
    group: str
    row: int
    label: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    system: str = ""
    history: tuple[Turn, ...] = ()


def user_turn(instruction: str, text: str) -> str:
    """Return the first user turn: the instruction, a blank line, the text."""
    return f"{instruction}\n\n{text}" if instruction else text
