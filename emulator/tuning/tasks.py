"""What the learning process is asked to do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """Paths of the JSONL files, what to learn with, and where to write the model after an epoch."""

    training: str
    validation: str | None
    models: dict[int, str]
    epochs: int
    learning_rate_multiplier: float
    seed: int
