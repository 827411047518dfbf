"""How many tokens a text has, estimated from its length. Pure."""

from math import ceil

# Google's guides say about four characters of English a token; counted calls correct it.
CHARACTERS_PER_TOKEN = 4


def tokens_in(characters: int) -> int:
    """Return about how many tokens so many characters have."""
    return ceil(characters / CHARACTERS_PER_TOKEN)
