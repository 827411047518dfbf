"""JSON as rows need it: members named twice are noticed, and values can be taken one by one."""

import json
from typing import Any


class JsonParser:
    """Parses with the standard library; `repeated` says whether the last value was ambiguous."""

    def __init__(self) -> None:
        self.repeated = False
        self._decoder = json.JSONDecoder(object_pairs_hook=self._members)

    def parse(self, text: str) -> Any:
        """Return the value; raises ValueError, RecursionError."""
        self.repeated = False
        return self._decoder.decode(text)

    def scan(self, text: str, start: int) -> tuple[Any, int]:
        """Return the value that begins at `start` and where it ends; raises like `parse`."""
        self.repeated = False
        return self._decoder.raw_decode(text, start)

    def _members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            self.repeated = True
        return members
