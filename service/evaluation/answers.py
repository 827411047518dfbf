"""Answers of one run: stored as they come; calls that reached nobody stay to be asked again."""

from collections.abc import Callable, Sequence

from service.errors import Unavailable
from service.inference.ports import GenerationResult

# So many calls in a row that reached nobody, each after all its tries, are no accident.
SILENCE = 10

Store = Callable[[Sequence[GenerationResult]], None]


class Answers:
    """Between the calls and the table.

    A call that was refused is an outcome; one that reached nobody says nothing about its row.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unreached = self._silence = self.stored = 0

    def take(self, batch: Sequence[GenerationResult]) -> None:
        """Store what came back; the rest stays missing, so a later run asks for it."""
        came = [answer for answer in batch if answer.reached]
        self._unreached += len(batch) - len(came)
        self._silence = 0 if came else self._silence + len(batch)
        if came:
            self._store(came)
            self.stored += len(came)

    def check(self) -> None:
        """Raise Unavailable once nobody is reached any more."""
        if self._silence >= SILENCE:
            raise _away(self._silence)

    def close(self) -> None:
        """Raise Unavailable when rows are left to be asked again."""
        if self._unreached:
            raise _away(self._unreached)


def _away(calls: int) -> Unavailable:
    message = f"{calls} calls did not reach the provider"
    return Unavailable(message, code="provider_unavailable")
