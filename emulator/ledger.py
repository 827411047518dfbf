"""What the server was asked for, so that a test can tell what a client paid; never a prompt."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class ModelUse:
    """Calls to one model name or endpoint and the tokens of those that were answered."""

    accepted: int = 0
    rejected: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0


class Ledger:
    """Counts generateContent calls. Accepted is what Google would bill; all others are rejected."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._received = 0
        self._accepted = 0
        self._rejected = 0
        self._repeated = 0
        self._in_flight = 0
        self._peak_in_flight = 0
        self._seen: set[bytes] = set()
        self._by_model: dict[str, ModelUse] = defaultdict(ModelUse)

    def receive(self) -> None:
        self._received += 1

    def reject(self, model: str | None) -> None:
        """Count a call that got an error; the model is None when it named none that is here."""
        self._rejected += 1
        if model is not None:
            self._by_model[model].rejected += 1

    @contextmanager
    def accept(self, model: str, *, digest: bytes) -> Iterator[ModelUse]:
        """Count a call as accepted, and as in flight until the block ends.

        `digest` stands for model and request; seeing one again makes the call a repeated prompt.
        """
        self._accepted += 1
        self._repeated += digest in self._seen
        self._seen.add(digest)
        self._in_flight += 1
        self._peak_in_flight = max(self._peak_in_flight, self._in_flight)
        use = self._by_model[model]
        use.accepted += 1
        try:
            yield use
        finally:
            self._in_flight -= 1

    def as_json(self) -> dict[str, Any]:
        return {
            "calls_received": self._received,
            "calls_accepted": self._accepted,
            "calls_rejected": self._rejected,
            "repeated_prompts": self._repeated,
            "peak_in_flight": self._peak_in_flight,
            "by_model": {model: asdict(use) for model, use in sorted(self._by_model.items())},
        }
