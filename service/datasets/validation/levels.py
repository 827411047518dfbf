"""How bad it is to break a rule."""

from enum import StrEnum


class Level(StrEnum):
    """An error ends the job before anything is stored; a warning goes into the report."""

    ERROR = "error"
    WARNING = "warning"
