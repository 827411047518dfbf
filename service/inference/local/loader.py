"""Loading of models with transformers and PEFT: safetensors only, and no code of theirs."""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from service.errors import Invalid
from service.inference.local.folders import LocalModels, LocalTask, Manifest
from service.inference.local.memory import (
    MemoryNeed,
    available_bytes,
    count_parameters,
    require_memory,
)

_SAFE: Mapping[str, Any] = {"trust_remote_code": False, "local_files_only": True}
# What transformers and its tokenizers raise for files that are damaged, of no kind that they know,
# or ask for a package.
_DAMAGES = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ImportError,
    RuntimeError,
    SafetensorError,
)
_LONGEST_WORDS = 200
_CLASSES = {
    LocalTask.SEQUENCE_CLASSIFICATION: AutoModelForSequenceClassification,
    LocalTask.CAUSAL_LM: AutoModelForCausalLM,
}


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model on its device, ready to answer."""

    model: Any
    tokenizer: Any
    task: LocalTask
    max_length: int
    labels: tuple[str, ...] = ()
    tuned: bool = False


def prepare_torch(models: LocalModels) -> Any:
    """Bound the threads of this process, keep it quiet, and return the device that it works on."""
    most = max(1, (os.cpu_count() or 1) - 1)
    torch.set_num_threads(models.threads or min(most, torch.get_num_threads()))
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module=r"(peft|torch|transformers|accelerate)\b")
    return compute_device()


def compute_device() -> Any:
    """Return the GPU where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bf16(device: Any) -> bool:
    """Return whether a device computes in bf16: GPUs before NVIDIA's Ampere only imitate it."""
    return device.type == "cuda" and bool(torch.cuda.is_bf16_supported(including_emulation=False))


def require_room(need: MemoryNeed, device: Any, models: LocalModels, *, what: str) -> None:
    """Raise Invalid `memory_not_enough` unless a device has room, and the machine to load weights.

    Weights are read into the machine's memory in 32-bit floats, whatever the device.
    """
    if device.type == "cuda":
        free = int(torch.cuda.mem_get_info(device)[0])
        most = min(free, models.memory_bytes) if models.memory_bytes else free
        require_memory(need, available=most, what=f"{what} on the GPU")
        need, what = MemoryNeed(weights=need.loading), f"loading of {what}"
        require_memory(need, available=available_bytes(), what=what)
    else:
        require_memory(need, available=available_bytes(models.memory_bytes), what=what)


@contextmanager
def gpu_memory_of(what: str) -> Iterator[None]:
    """Raise Invalid `memory_not_enough` where the GPU has less memory than was estimated."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        message = (
            f"{what} met the end of the GPU's memory: take a smaller model, an adapter, a smaller "
            "`batch_size` or `max_length`, or leave the GPU to it alone"
        )
        raise Invalid(message, code="memory_not_enough") from error


def read_config(folder: Path) -> Any:
    """Return a model's configuration; raises Invalid `model_not_readable`."""
    try:
        config = AutoConfig.from_pretrained(folder, **_SAFE)
    except _DAMAGES as error:
        raise _unreadable(folder, error) from error
    if config.is_encoder_decoder:
        message = f"{folder.name} is an encoder with a decoder: take one of them alone"
        raise Invalid(message, code="model_not_readable")
    return config


def read_tokenizer(folder: Path) -> Any:
    """Return a model's tokenizer, with a pad token; raises Invalid `model_not_readable`.

    Models that were never trained in batches have no pad token: the end of the text stands for it.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **_SAFE)
    except _DAMAGES as error:
        raise _unreadable(folder, error) from error
    if not tokenizer("a", add_special_tokens=False)["input_ids"]:
        message = f"the tokenizer of {folder.name} has no vocabulary: is its file there?"
        raise Invalid(message, code="model_not_readable")
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            message = f"the tokenizer of {folder.name} has neither a pad token nor an end of text"
            raise Invalid(message, code="model_not_readable")
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def read_model(
    folder: Path, task: LocalTask, tokenizer: Any, *, labels: tuple[str, ...] = ()
) -> Any:
    """Return a model in 32-bit floats, with a new head for `labels` where it has none.

    Raises Invalid `model_not_readable`.
    """
    read_config(folder)  # refuses what is of no use here
    more: dict[str, Any] = {}
    if task is LocalTask.SEQUENCE_CLASSIFICATION:
        more = {
            "num_labels": len(labels),
            "id2label": dict(enumerate(labels)),
            "label2id": {label: position for position, label in enumerate(labels)},
            "ignore_mismatched_sizes": True,  # the head of another task
        }
    try:
        model, loading = _CLASSES[task].from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            **more,
            **_SAFE,
        )
    except _DAMAGES as error:
        raise _unreadable(folder, error) from error
    _require_whole(model, loading, folder, has_new_head=bool(more))
    places = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > places:
        message = f"the tokenizer of {folder.name} has {len(tokenizer)} tokens, its model {places}"
        raise Invalid(message, code="model_not_readable")
    model.config.pad_token_id = tokenizer.pad_token_id  # where a text ends, in a batch
    return model


def _require_whole(
    model: Any, loading: Mapping[str, Any], folder: Path, *, has_new_head: bool
) -> None:
    """Raise Invalid `model_not_readable` where weights were made up that should have been read.

    Transformers fills what a file lacks, or has in another shape, with random numbers. Only a new
    head may be, and the pooler below it, which models that predict tokens lack.
    """
    made_up = {*loading["missing_keys"], *(key for key, *_ in loading["mismatched_keys"])}
    below = f"{model.base_model_prefix}."
    absent = sorted(
        key
        for key in made_up
        if not has_new_head or (key.startswith(below) and ".pooler." not in key)
    )
    if absent:
        message = (
            f"the weights of {folder.name} do not fit its config.json: {len(absent)} tensors are "
            f"missing or of another shape, such as {absent[0]}"
        )
        raise Invalid(message, code="model_not_readable")


def _unreadable(folder: Path, error: Exception) -> Invalid:
    """Return what is wrong, in the first words of transformers, without paths of this machine."""
    words = str(error).replace(str(folder), folder.name).strip().partition("\n")[0]
    message = (
        f"transformers {transformers.__version__} cannot load {folder.name} (no code of a model's "
        f"own is run): {type(error).__name__}: {words[:_LONGEST_WORDS]}"
    )
    return Invalid(message, code="model_not_readable")


def context_length(model_config: Any, wanted: int) -> int:
    """Return how many tokens a row may have: as wanted, and no more than the model has places."""
    places = getattr(model_config, "max_position_embeddings", None)
    return min(wanted, int(places)) if places else wanted


def load_base(name: str, models: LocalModels, device: Any) -> LoadedModel:
    """Load a base model to be prompted; raises what `LocalModels.base` and `read_model` raise."""
    folder = models.base(name)
    _require_room(folder, device, models, what=name)
    tokenizer = read_tokenizer(folder)
    model = _placed(read_model(folder, LocalTask.CAUSAL_LM, tokenizer), device)
    length = context_length(model.config, 1 << 20)
    return LoadedModel(model, tokenizer, LocalTask.CAUSAL_LM, length)


def load_tuned(endpoint: str, models: LocalModels, device: Any) -> LoadedModel:
    """Load a tuned model, or one of its checkpoints; raises what `load_base` raises."""
    with models.tuned(endpoint) as folder:
        manifest = Manifest.read(folder)
        base = models.base(manifest.base_model) if manifest.adapter else folder
        _require_room(base, device, models, what=endpoint)
        tokenizer = read_tokenizer(folder)
        model = read_model(base, manifest.task, tokenizer, labels=manifest.labels)
        if manifest.adapter:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, folder).merge_and_unload()
        return LoadedModel(
            _placed(model, device),
            tokenizer,
            manifest.task,
            manifest.max_length,
            manifest.labels,
            tuned=True,
        )


def _placed(model: Any, device: Any) -> Any:
    if has_bf16(device):
        model = model.to(torch.bfloat16)
    return model.to(device).eval()


def _require_room(folder: Path, device: Any, models: LocalModels, *, what: str) -> None:
    read = 4 * count_parameters(folder)
    need = MemoryNeed(weights=read // 2 if has_bf16(device) else read, loading=read)
    require_room(need, device, models, what=what)
