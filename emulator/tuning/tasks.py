"""What the learning process is asked to do."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Task:
    """Paths of the JSONL files, what to learn with, and where to write the model after an epoch.

    `earlier` are files learned before, oldest first, by a model that had `epochs_before` passes.
    """

    training: str
    validation: str | None
    models: dict[int, str]
    epochs: int
    learning_rate_multiplier: float
    seed: int
    earlier: list[str] = field(default_factory=list)
    epochs_before: int = 0
