"""A named, closed set of plug-ins: one dictionary, and an error that names the known ones."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from service.errors import Fault, Invalid

Plugin = TypeVar("Plugin")


class Registry(Mapping[str, Plugin], Generic[Plugin]):
    """`noun` is what one entry is called in errors: `metric`, `preset`, `provider`.

    It is closed but for what a process adds when it starts.
    """

    def __init__(self, noun: str, entries: Mapping[str, Plugin]) -> None:
        self.noun = noun
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Plugin:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, name: str, entry: Plugin) -> None:
        """Add an entry of a user's own; raises Invalid `name_taken` for a name that is known."""
        if name in self._entries:
            message = f"there is a {self.noun} {name} already; name yours otherwise"
            raise Invalid(message, code="name_taken")
        self._entries[name] = entry

    def find(self, name: str, *, pointer: str = "") -> Plugin:
        """Return the entry, or raise Invalid that names the known ones."""
        try:
            return self._entries[name]
        except KeyError:
            known = ", ".join(sorted(self._entries))
            # The name is the caller's input: errors point at it and never repeat it.
            message = f"no such {self.noun}; known: {known}"
            code = f"unknown_{self.noun.replace(' ', '_')}"
            raise Invalid(message, code=code, faults=[Fault(pointer, code, message)]) from None
