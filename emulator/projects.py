"""Project numbers: real answers name a project by its number, whatever the request used."""

import hashlib

_SMALLEST, _COUNT = 100_000_000_000, 900_000_000_000


def project_number(project: str) -> str:
    """Return a number as it is, and for a project id the same twelve digits forever."""
    if project.isdigit():
        return project
    digest = hashlib.sha256(project.encode()).digest()
    return str(_SMALLEST + int.from_bytes(digest[:8], "big") % _COUNT)
