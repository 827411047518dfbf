"""How texts are made comparable. Pure."""

import hashlib


def collapse(text: str) -> str:
    """Return the text with every run of white space as one space and none at the ends."""
    if "  " not in text and text.isprintable():  # the only white space that prints is a space
        return text.strip(" ")
    return " ".join(text.split())


def fold(text: str) -> str:
    """Return what two texts have in common that differ in case and white space only."""
    return collapse(text).casefold()


def example_id(text: str, target: str) -> str:
    """Return an id that the content decides, whatever the order of the rows."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in (text, target):
        encoded = part.encode()
        hashed.update(len(encoded).to_bytes(8, "big") + encoded)
    return f"ex_{hashed.hexdigest()}"
