"""What preparing a dataset asks of its neighbours."""

from collections.abc import Sequence
from typing import Protocol


class TokenCounter(Protocol):
    """Asks the provider how many tokens texts have; `synthetic` where that is an emulator."""

    @property
    def synthetic(self) -> bool: ...

    def count(self, texts: Sequence[str], *, model: str) -> Sequence[int]:
        """Return the tokens of each text; raises an error of `service.errors` if it cannot."""
        ...
