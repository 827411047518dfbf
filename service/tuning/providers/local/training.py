"""One training with the Trainer of transformers, all weights or a LoRA adapter of PEFT."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import (
    DataCollatorForSeq2Seq,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

from service.datasets.examples import Example
from service.inference.local.folders import LocalModels, LocalTask, Manifest
from service.inference.local.loader import (
    compute_device,
    context_length,
    gpu_memory_of,
    has_bf16,
    prepare_torch,
    read_config,
    read_model,
    read_tokenizer,
    require_room,
)
from service.inference.local.memory import MemoryNeed, need_of_training, tensor_shapes
from service.inference.local.model_shape import read_shape
from service.tuning.providers.local.adapters import trained_parameters, with_adapter
from service.tuning.providers.local.checkpoints import newest_checkpoint
from service.tuning.providers.local.observer import Observer, TrainingListener
from service.tuning.providers.local.plan import TrainingPlan
from service.tuning.providers.local.rows import NO_LOSS, EncodedRows, encode


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The rows of a training; without `validation` no validation curve is drawn."""

    train: Sequence[Example]
    validation: Sequence[Example]
    instruction: str


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to: `step` of its last checkpoint, and numbers about it."""

    step: int
    tokens: int
    statistics: Mapping[str, Any]


def train(
    plan: TrainingPlan,
    data: TrainingData,
    *,
    folder: Path,
    models: LocalModels,
    listener: TrainingListener,
) -> Trained:
    """Train to the end, from the newest whole checkpoint in `folder` where there is one.

    Raises what the listener raises, what `LocalModels.base` raises, and Invalid for a model, rows
    or memory that do not fit, before any weight is loaded.
    """
    device, base = prepare_torch(models), models.base(plan.base_model)
    plan = replace(plan, max_length=context_length(read_config(base), plan.max_length))
    tokenizer = read_tokenizer(base)
    rows = encode(data.train, plan, tokenizer, instruction=data.instruction)
    checks = encode(data.validation, plan, tokenizer, instruction=data.instruction)
    need = training_need(plan, [*rows.rows, *checks.rows], base, device=device)
    require_room(need, device, models, what=f"training {plan.base_model}")
    set_seed(plan.seed)
    model = read_model(base, plan.task, tokenizer, labels=plan.labels)
    if plan.adapter_size:
        model = with_adapter(model, plan)
    begun = newest_checkpoint(folder)
    observer = Observer(
        listener, manifest=_manifest(plan), spent_seconds=begun.seconds if begun else 0.0
    )
    trainer = _trainer(model, tokenizer, plan, rows, checks, folder=folder, observer=observer)
    with gpu_memory_of(f"training {plan.base_model}"):
        trainer.train(resume_from_checkpoint=str(begun.folder) if begun else None)
    if observer.preempted is not None:
        raise observer.preempted
    statistics = {
        "device": device.type,
        "precision": "bf16" if has_bf16(device) else "fp32",
        "threads": torch.get_num_threads(),
        "parameters": sum(each.numel() for each in model.parameters()),
        "trained_parameters": sum(
            each.numel() for each in model.parameters() if each.requires_grad
        ),
        "training_hours": round(observer.seconds / 3600, 4),
        "tuning_dataset_example_count": len(rows.rows),
        "tuning_step_count": trainer.state.global_step,
        "total_truncated_example_count": rows.truncated,
    }
    return Trained(trainer.state.global_step, rows.tokens * plan.epochs, statistics)


def _manifest(plan: TrainingPlan) -> Manifest:
    return Manifest(
        plan.task,
        plan.base_model,
        plan.max_length,
        labels=plan.labels,
        adapter=bool(plan.adapter_size),
    )


def training_need(
    plan: TrainingPlan, rows: Sequence[Mapping[str, Any]], base: Path, *, device: Any
) -> MemoryNeed:
    """Return what a training on encoded rows needs, before any weight is loaded."""
    shape = read_shape(base, device=device)
    return need_of_training(
        shape,
        trained=trained_parameters(tensor_shapes(base), plan, vocabulary=shape.vocabulary),
        batch_size=min(plan.batch_size, len(rows)),
        length=max(len(row["input_ids"]) for row in rows),
        predicts_tokens=plan.task is LocalTask.CAUSAL_LM,
        bf16=has_bf16(device),
    )


def _trainer(
    model: Any,
    tokenizer: Any,
    plan: TrainingPlan,
    rows: EncodedRows,
    checks: EncodedRows,
    *,
    folder: Path,
    observer: Observer,
) -> Any:
    predicts_tokens = plan.task is LocalTask.CAUSAL_LM
    collate = (
        DataCollatorForSeq2Seq(tokenizer, padding=True, label_pad_token_id=NO_LOSS)
        if predicts_tokens
        else DataCollatorWithPadding(tokenizer)
    )
    trainer = _AccuracyTrainer(
        predicts_tokens=predicts_tokens,
        model=model,
        args=_arguments(plan, len(rows.rows), folder, validates=bool(checks.rows)),
        train_dataset=rows.rows,
        eval_dataset=checks.rows or None,
        processing_class=tokenizer,
        data_collator=collate,
        compute_metrics=lambda found: {
            "accuracy": _share(
                *_right_and_asked(found.predictions, found.label_ids, predicts_tokens)
            )
        },
        preprocess_logits_for_metrics=lambda logits, _labels: logits.argmax(-1),
        compute_loss_func=None if predicts_tokens else classification_loss,
        callbacks=[observer],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def classification_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:  # noqa: ARG001  the Trainer's signature
    """Return the mean cross entropy in 32-bit floats.

    Under autocast, `log_softmax` is told to keep the type of bf16 logits, as PyTorch's
    cross entropy tells it: each row's loss would have three digits.
    """
    return torch.nn.functional.cross_entropy(outputs.logits.float(), labels)


def _arguments(plan: TrainingPlan, rows: int, folder: Path, *, validates: bool) -> Any:
    device = compute_device()
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=plan.batch_size,
        per_device_eval_batch_size=plan.batch_size,  # then it needs no more than a step
        learning_rate=plan.learning_rate,
        eval_strategy="epoch" if validates else "no",
        save_strategy="epoch",
        save_total_limit=1,  # of these, to continue from; the published ones lie in the store
        logging_strategy="steps",
        logging_steps=plan.logging_steps(rows),
        logging_nan_inf_filter=False,  # a loss that is no number ends the training, see Observer
        seed=plan.seed,
        data_seed=plan.seed,
        use_cpu=device.type == "cpu",
        bf16=has_bf16(device),
        dataloader_pin_memory=device.type == "cuda",
        report_to="none",
        disable_tqdm=True,
    )


class _AccuracyTrainer(Trainer):
    """Logs the share of labels, or of the answers' tokens, that were right beside the loss."""

    def __init__(self, *, predicts_tokens: bool, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._predicts_tokens = predicts_tokens
        self._right: Any = 0
        self._asked: Any = 0

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,  # noqa: FBT001, FBT002  the Trainer's signature
        num_items_in_batch: Any = None,
    ) -> Any:
        labels = inputs["labels"]  # a loss of our own takes them out
        loss, outputs = super().compute_loss(
            model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch
        )
        if model.training:
            guesses = outputs.logits.detach().argmax(-1)
            right, asked = _right_and_asked(guesses, labels, self._predicts_tokens)
            self._right = self._right + right  # tensors: a number would wait for the GPU
            self._asked = self._asked + asked
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs and self._asked:
            logs["accuracy"] = _share(self._right, self._asked)
            self._right = self._asked = 0
        super().log(logs, start_time)


def _right_and_asked(guesses: Any, labels: Any, predicts_tokens: bool) -> tuple[Any, Any]:  # noqa: FBT001
    """Return how many guesses were right, of how many: of tokens each is for the next place."""
    if predicts_tokens:
        guesses, labels = guesses[:, :-1], labels[:, 1:]
    is_asked = labels != NO_LOSS
    return ((guesses == labels) & is_asked).sum(), is_asked.sum()


def _share(right: Any, asked: Any) -> float:
    return float(right) / float(asked)
