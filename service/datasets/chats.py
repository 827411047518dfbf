"""A conversation as every row form means it: what the system says, then turns. Pure."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["user", "model"]


@dataclass(frozen=True, slots=True)
class Turn:
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Chat:
    """Turns alternate, the first is the user's and the last the model's: what is to be learnt."""

    system: str
    turns: tuple[Turn, ...]

    @property
    def text(self) -> str:
        """The user's last words."""
        return self.turns[-2].text

    @property
    def target(self) -> str:
        return self.turns[-1].text

    @property
    def history(self) -> tuple[Turn, ...]:
        """The turns before the user's last words."""
        return self.turns[:-2]
