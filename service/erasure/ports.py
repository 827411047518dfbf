"""What deleting works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.database import Sessions
from service.storage.leftovers import Leftover, LeftoverKind

Eraser = Callable[[Leftover, str], None]


@dataclass(frozen=True, slots=True)
class ErasureServices:
    """`erasers` erase a leftover of their kind, and of a project; a second call finds nothing and
    is fine.
    """

    sessions: Sessions
    erasers: Mapping[LeftoverKind, Eraser]
