"""The plan of a training on this machine: every setting with its value. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from service.inference.local.folders import LocalTask
from service.tuning.local_spec import LocalTrainingSpec
from service.tuning.schemas import HyperparametersSpec

EPOCHS = 3  # that of transformers' TrainingArguments, as its rate 5e-5
RATE, ADAPTER_RATE = 5e-5, 2e-4  # the second: Dettmers et al., QLoRA, 2023, table 9
ADAPTER_SIZE = 8  # Hu et al., LoRA, 2021, table 6: larger ranks gained little
_LOGGED_POINTS = 200  # of a curve; more than a plot can show


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """`adapter_size` 0 trains all weights; `labels` are those of a classifier, in their order."""

    base_model: str
    task: LocalTask
    epochs: int
    learning_rate: float
    batch_size: int
    max_length: int
    seed: int
    adapter_size: int
    modules_to_save: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def steps_of_an_epoch(self, rows: int) -> int:
        return ceil(rows / self.batch_size)

    def logging_steps(self, rows: int) -> int:
        """Return after how many steps a point of the curves is kept."""
        return max(1, self.steps_of_an_epoch(rows) * self.epochs // _LOGGED_POINTS)

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """Return what was chosen, in the words of the spec."""
        chosen = {
            "epochs": self.epochs,
            "adapter_size": self.adapter_size,
            "task": self.task.value,
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "max_length": self.max_length,
            "seed": self.seed,
            "modules_to_save": list(self.modules_to_save),
        }
        return {name: value for name, value in chosen.items() if value not in (0, [])}


def plan_training(
    base_model: str,
    asked: LocalTrainingSpec,
    hyperparameters: HyperparametersSpec,
    *,
    labels: tuple[str, ...] = (),
) -> TrainingPlan:
    """Return the plan with what was left open filled in: a causal LM always has an adapter."""
    is_lm = asked.task is LocalTask.CAUSAL_LM
    adapter_size = hyperparameters.adapter_size or (ADAPTER_SIZE if is_lm else 0)
    return TrainingPlan(
        base_model=base_model,
        task=asked.task,
        epochs=hyperparameters.epochs or EPOCHS,
        learning_rate=asked.learning_rate or (ADAPTER_RATE if adapter_size else RATE),
        batch_size=asked.batch_size,
        max_length=asked.max_length,
        seed=asked.seed,
        adapter_size=adapter_size,
        modules_to_save=asked.modules_to_save,
        labels=labels,
    )
