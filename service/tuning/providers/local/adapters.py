"""LoRA adapters of PEFT: put onto a model, counted before it is loaded, and saved without paths."""

import json
import re
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from service.inference.local.folders import LocalTask
from service.tuning.providers.local.plan import TrainingPlan

_ALPHA = 2  # times the rank, as is common; the rate was chosen for it
_CONFIG = "adapter_config.json"
_HEADS = ("classifier", "score")  # of a classifier, which PEFT trains whole
_MATRIX = 2  # dimensions of what an adapter goes onto


def with_adapter(model: Any, plan: TrainingPlan) -> Any:
    """Return a model whose linear layers have adapters, which alone are trained."""
    from peft import LoraConfig, TaskType, get_peft_model

    is_lm = plan.task is LocalTask.CAUSAL_LM
    whole = [*plan.modules_to_save, *(() if is_lm else _HEADS)]
    config = LoraConfig(
        task_type=TaskType.CAUSAL_LM if is_lm else TaskType.SEQ_CLS,
        r=plan.adapter_size,
        lora_alpha=_ALPHA * plan.adapter_size,
        lora_dropout=0.0,
        target_modules="all-linear",  # Dettmers et al., QLoRA, 2023, figure 2
        # None may be both, and PEFT takes all whose names end so: DistilBERT's pre_classifier, too.
        exclude_modules=f".*({'|'.join(map(re.escape, whole))})" if whole else None,
        modules_to_save=list(plan.modules_to_save) or None,
    )
    return get_peft_model(model, config)


def trained_parameters(
    shapes: Mapping[str, Sequence[int]], plan: TrainingPlan, *, vocabulary: int
) -> int:
    """Return how many parameters a plan trains, by the shapes of the base's tensors. Pure.

    An adapter has r·(rows + columns) of them for each matrix that is no embedding.
    """
    if not plan.adapter_size:
        return sum(map(prod, shapes.values()))
    whole = set(plan.modules_to_save)
    saved = sum(prod(shape) for name, shape in shapes.items() if whole & set(name.split(".")))
    matrices = [
        shape for shape in shapes.values() if len(shape) == _MATRIX and vocabulary not in shape
    ]
    return saved + sum(plan.adapter_size * sum(shape) for shape in matrices)


def forget_base_path(folder: Path, *, base_model: str) -> None:
    """Write the base's name where PEFT wrote its path on this machine."""
    file = folder / _CONFIG
    if file.is_file():
        config = json.loads(file.read_text(encoding="utf-8"))
        config["base_model_name_or_path"] = base_model
        file.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
