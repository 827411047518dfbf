"""What the preparation of a dataset needs from outside."""

from collections.abc import Sequence
from typing import Protocol


class TokenCounter(Protocol):
    """Counts tokens at the provider; `synthetic` if that is an emulator."""

    @property
    def synthetic(self) -> bool: ...

    def count(self, texts: Sequence[str], *, model: str) -> Sequence[int]:
        """Return the tokens of each text; raises an error of `service.errors` if it cannot."""
        ...
