"""Copies of a paid operation's input, one for each attempt to send it: the fence of exactly once.

A request names the copy of its own attempt. The worker that takes it over deletes that copy
before it sends again, so that a request which arrives late finds nothing to work on.
"""

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from service.storage.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class StagedInputs:
    """The copies of one operation: in `folder`, each attempt's in a folder of its own below it.

    Without a folder nothing is staged.
    """

    store: Callable[[], ObjectStore]
    folder: str | None

    def stage(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Copy objects for one attempt, and return the copies' addresses in the same order.

        No two calls use one name. Raises what `ObjectStore.copy` raises.
        """
        attempt = secrets.token_hex(8)
        return tuple(
            self.store().copy(key, f"{self.folder}/{attempt}/{number}{PurePosixPath(key).suffix}")
            for number, key in enumerate(keys)
        )

    def keys(self) -> list[str]:
        """Return the keys of the copies of all attempts."""
        return self.store().keys_below(self.folder) if self.folder else []

    def is_gone(self, address: str) -> bool:
        """Return whether an address is that of a copy that was deleted."""
        if not self.folder:
            return False
        uri = self.store().uri
        return address.startswith(f"{uri(self.folder)}/") and address not in map(uri, self.keys())

    def delete(self, keys: Collection[str]) -> None:
        """Delete copies; when it returns they are gone. Raises Unavailable, ProviderRefused."""
        for key in keys:
            self.store().delete(key)

    def delete_all(self) -> None:
        if self.folder:
            self.store().delete_below(self.folder)
