"""What a key may look like, the same for every store."""

import re

from service.errors import Invalid

_KEY = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*", re.ASCII)
MAX_LENGTH = 200  # what the tables hold


def checked_key(key: str) -> str:
    """Return the key, or raise Invalid `invalid_object_key`.

    Parts of letters, digits, `_`, `-` and `.`, none of which begins with a dot: so no key
    climbs out of its folder or its prefix, and temporary files have names no key can have.
    """
    if len(key) > MAX_LENGTH or not _KEY.fullmatch(key):
        message = "a key is up to 200 characters: names of letters, digits, _ - . between slashes"
        raise Invalid(message, code="invalid_object_key")
    return key
