"""What the rows of an output leave outside the database, and their deletion has to remove."""

from dataclasses import dataclass
from enum import StrEnum


class LeftoverKind(StrEnum):
    FOLDER = "folder"  # of the object store, with all that is in it
    OBJECT = "object"  # of the object store
    TUNED = "tuned"  # a model or an endpoint at a tuning provider
    BATCH = "batch"  # a batch at the provider of batches
    DATABASE = "database"  # bytes of deleted rows that the database still holds


@dataclass(frozen=True, slots=True)
class Leftover:
    """`target` is a key, a folder or a resource name; `provider` is who tuned.

    It stays where `needed_by` names another output that needs it.
    """

    kind: LeftoverKind
    target: str
    provider: str = ""
    needed_by: str = ""
