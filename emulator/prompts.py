"""The text of a conversation as a tuned model reads it, in training and use, and its tokens."""

from collections.abc import Sequence
from math import ceil

CHARACTERS_PER_TOKEN = 4

Turn = tuple[str, str]
"""A role (`user` or `model`) and the text of its parts."""


def prompt_of(turns: Sequence[Turn], *, system_instruction: str = "") -> str:
    """Join the texts of all turns by newlines, the system instruction in front."""
    texts = [text for _, text in turns]
    return "\n".join([system_instruction, *texts] if system_instruction else texts)


def count_tokens(text: str) -> int:
    """Return about one token for four characters, and at least one."""
    return max(1, ceil(len(text) / CHARACTERS_PER_TOKEN))


def count_billable_characters(text: str) -> int:
    """Return the number of characters that are not white space, which is what Google bills by."""
    return sum(not character.isspace() for character in text)
