"""The process that learns: one task a line on standard input, what came of it on standard output.

Learning takes seconds of CPU, so the server keeps it out of its own process and may kill it at any
moment. When the server is gone, standard input ends and so does this process.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.learners.history import EpochRecord
from emulator.tuning.examples import Example, describe_bad_rows, join_examples, read_examples
from emulator.tuning.statistics import describe_training, is_too_long
from emulator.tuning.trainer import TrainingTask

if TYPE_CHECKING:
    from emulator.learners.tuned_model import TunedModel

_MOST_VALIDATION_ROWS = 5000
_FREE_VALIDATION_ROWS = 1000
_VALIDATION_SHARE = 0.3


Reply = Callable[[dict[str, Any]], None]


class UnlearnableError(Exception):
    """The data cannot be learned from; the message names rows by number only."""


def main() -> None:
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    tasks: queue.Queue[TrainingTask] = queue.Queue()
    threading.Thread(target=_read_tasks, args=(tasks,), daemon=True).start()

    def reply(document: dict[str, Any]) -> None:
        replies.write(json.dumps(document) + "\n")
        replies.flush()

    while True:
        _carry_out(tasks.get(), reply=reply)


def _read_tasks(tasks: "queue.Queue[TrainingTask]") -> None:
    for line in sys.stdin:
        document = json.loads(line)
        # JSON has only texts for keys.
        models = {int(epoch): path for epoch, path in document["models"].items()}
        tasks.put(TrainingTask(**(document | {"models": models})))
    os._exit(0)


def _carry_out(task: TrainingTask, *, reply: Reply) -> None:
    try:
        reply(_learn(task, reply=reply))
    except UnlearnableError as error:
        reply({"outcome": "failed", "code": 3, "message": str(error)})
    except (OSError, ValueError) as error:
        reply(
            {
                "outcome": "failed",
                "code": 13,
                "message": f"Learning failed with {type(error).__name__}.",
            }
        )


def _learn(task: TrainingTask, *, reply: Reply) -> dict[str, Any]:
    training = _read(task.training, what="training", pairs=task.pairs)
    validation = (
        _read(task.validation, what="validation", pairs=task.pairs) if task.validation else []
    )
    _check_validation_size(len(training), len(validation))
    kept = _without_long(training)
    if not kept:
        raise UnlearnableError("training dataset: Dataset validation failed: all rows are dropped.")
    reply({"outcome": "", "training_rows": len(kept)})
    earlier = [_without_long(_read(path, what="earlier", pairs=None)) for path in task.earlier]
    examples = join_examples([*earlier, kept])
    model = _train(task, examples, validation=validation, reply=reply)
    steps = sum(record.predictions for record in model.history[task.epochs_before :])
    return {
        "outcome": "learned",
        "head": model.head,
        "data_stats": describe_training(training, steps=steps, pairs=task.pairs),
    }


def _without_long(examples: list[Example]) -> list[Example]:
    return [example for example in examples if not is_too_long(example)]


def _train(
    task: TrainingTask, examples: list[Example], *, validation: list[Example], reply: Reply
) -> "TunedModel":
    """Train on the rows, among them those of the earlier tunings that this one continues.

    Heads cannot resume a model: training starts over with all rows, for the epochs of the earlier
    model and those requested. Only the latter are reported and saved.
    """
    # Imported here so that standard input is watched while the seconds of imports pass.
    from emulator.learners.tuned_model import Rejected, train_model

    def report(record: EpochRecord) -> bool:
        if record.epoch > task.epochs_before:
            epoch = {"epoch": record.epoch - task.epochs_before}
            reply({"outcome": "", "epoch": asdict(record) | epoch})
        return True

    def keep(model: "TunedModel") -> None:
        path = task.models.get(model.history[-1].epoch - task.epochs_before)
        if path:
            _save(model, Path(path))

    return train_model(
        [(example.prompt, example.target) for example in examples],
        validation=[(example.prompt, example.target) for example in validation],
        epochs=task.epochs_before + task.epochs,
        learning_rate_multiplier=task.learning_rate_multiplier,
        seed=task.seed,
        rejected=Rejected(
            [example.rejected for example in examples],
            [example.rejected for example in validation],
            task.beta,
        ),
        progress=report,
        snapshot=keep,
    )


def _save(model: Any, path: Path) -> None:
    partial = path.with_suffix(".partial")
    model.save(partial)
    partial.replace(path)


def _read(path: str, *, what: str, pairs: bool | None) -> list[Example]:
    with Path(path).open("rb") as lines:
        reading = read_examples(lines, pairs=pairs)
    if reading.bad_rows:
        total = len(reading.bad_rows) + len(reading.examples)
        raise UnlearnableError(
            f"{what} dataset: {describe_bad_rows(reading.bad_rows, total=total)}"
        )
    if not reading.examples:
        raise UnlearnableError(f"{what} dataset: Dataset validation failed: there are no rows.")
    return reading.examples


def _check_validation_size(training_rows: int, validation_rows: int) -> None:
    """Google's limit: 5,000 rows, and above 1,000 no more than 30 % of the training rows."""
    share = max(_FREE_VALIDATION_ROWS, _VALIDATION_SHARE * training_rows)
    most = int(min(_MOST_VALIDATION_ROWS, share))
    if validation_rows > most:
        raise UnlearnableError(
            f"validation dataset: {validation_rows} rows are more than the {most} allowed."
        )


if __name__ == "__main__":
    main()
