"""What a training reports while it runs, and how it is stopped: callbacks of the Trainer."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from transformers import TrainerCallback

from service.errors import Invalid
from service.inference.local.folders import Manifest
from service.jobs.ports import Preempted
from service.tuning.ports import MetricPoint, MetricSeries
from service.tuning.providers.local.adapters import forget_base_path
from service.tuning.providers.local.checkpoints import checkpoint_at, mark_whole

# Of work that a crash may cost, beside that of the last epoch.
SAVE_SECONDS = 300.0
_SERIES = {
    "loss": MetricSeries.TRAIN_LOSS,
    "accuracy": MetricSeries.TRAIN_ACCURACY,
    "eval_loss": MetricSeries.VALIDATION_LOSS,
    "eval_accuracy": MetricSeries.VALIDATION_ACCURACY,
}


class TrainingListener(Protocol):
    """Who a training reports to.

    `step_done` raises JobCancelled or LeaseLost to end the training at once, and Preempted to
    have it saved first. `checkpoint_saved` gets every whole one; `epoch` is None amid one.
    """

    def step_done(self, step: int, total: int) -> None: ...

    def measured(self, points: Sequence[MetricPoint]) -> None: ...

    def checkpoint_saved(self, folder: Path, *, step: int, epoch: int | None) -> None: ...


class Observer(TrainerCallback):
    """One training's callbacks; `preempted` is what ended it early, with all of it saved."""

    def __init__(
        self,
        listener: TrainingListener,
        *,
        manifest: Manifest,
        spent_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener, self._manifest, self._clock = listener, manifest, clock
        self._began = clock() - spent_seconds
        self._saved_at = clock()
        self.preempted: Preempted | None = None

    @property
    def seconds(self) -> float:
        """How long the training took so far, with what went before a crash."""
        return self._clock() - self._began

    def on_step_end(self, _arguments: Any, state: Any, control: Any, **_: Any) -> Any:
        try:
            self._listener.step_done(state.global_step, state.max_steps)
        except Preempted as stop:
            self.preempted = stop
            control.should_training_stop = True
            control.should_save = True
        if self._clock() - self._saved_at > SAVE_SECONDS:
            control.should_save = True
        return control

    def on_epoch_end(self, _arguments: Any, _state: Any, control: Any, **_: Any) -> Any:
        if self.preempted is not None:  # it is saved, and its epoch has not ended
            control.should_evaluate = control.should_save = False
        return control

    def on_log(
        self,
        _arguments: Any,
        state: Any,
        _control: Any,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        points = points_of(logs or {}, step=state.global_step)
        for point in points:
            if not math.isfinite(point.value):
                message = (
                    f"the {point.series.value} is no number at step {point.step}: the training "
                    "diverged; take a lower `local.learning_rate`"
                )
                raise Invalid(message, code="training_diverged")
        self._listener.measured(points)

    def on_save(self, arguments: Any, state: Any, _control: Any, **_: Any) -> None:
        folder = checkpoint_at(Path(arguments.output_dir), state.global_step)
        self._manifest.write(folder)
        forget_base_path(folder, base_model=self._manifest.base_model)
        mark_whole(folder, seconds=self.seconds)
        self._saved_at = self._clock()
        epoch = round(state.epoch) if math.isclose(state.epoch, round(state.epoch)) else None
        self._listener.checkpoint_saved(folder, step=state.global_step, epoch=epoch)


def points_of(logs: Mapping[str, Any], *, step: int) -> list[MetricPoint]:
    """Return what the Trainer logs as points of our series; other numbers of it are left out."""
    return [
        MetricPoint(series, step, float(logs[name]))
        for name, series in _SERIES.items()
        if name in logs
    ]
