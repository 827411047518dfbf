"""What every head can do: train pass by pass, answer, be packed."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emulator.learners.distributions import AnswerDistribution
from emulator.learners.history import EpochRecord, Plan
from emulator.learners.layout import ParsedPrompt

Arrays = dict[str, NDArray[Any]]
Meta = dict[str, Any]
Rows = Sequence[tuple[ParsedPrompt, str]]
Floats = NDArray[np.float32]


class Head(Protocol):
    """A kind of model. It is usable as soon as `train` has yielded its first record."""

    name: str

    def train(self, rows: Rows, *, validation: Rows, plan: Plan) -> Iterator[EpochRecord]:
        """Yield a record after each pass over the rows; closing the iterator ends it."""

    def answer_many(self, prompts: Sequence[ParsedPrompt]) -> list[str]: ...

    def distribution(self, prompt: ParsedPrompt) -> AnswerDistribution:
        """Return the distribution of the answer; at temperature 0 it gives `answer_many`'s."""

    def pack(self, prefix: str, arrays: Arrays) -> Meta:
        """Add arrays under names beginning with `prefix`, and return the rest as JSON values."""

    def unpack(self, meta: Meta, prefix: str, arrays: Arrays) -> None:
        """Become the head that was packed."""
