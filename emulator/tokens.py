"""The emulator's token count: a fixed number of characters is one token."""

from math import ceil

CHARACTERS_PER_TOKEN = 4


def count_tokens(text: str) -> int:
    """Return about one token for four characters, and at least one."""
    return max(1, ceil(len(text) / CHARACTERS_PER_TOKEN))


def count_billable_characters(text: str) -> int:
    """Return the number of characters that are not white space, which is what Google bills by."""
    return sum(not character.isspace() for character in text)
