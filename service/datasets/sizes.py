"""About how many tokens a text has, by its length. Pure."""

from math import ceil

CHARACTERS_PER_TOKEN = 4  # of English text; scripts with longer tokens have more


def tokens_in(characters: int) -> int:
    """Return about how many tokens so many characters are."""
    return ceil(characters / CHARACTERS_PER_TOKEN)
