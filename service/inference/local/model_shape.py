"""What of a model's files decides how much memory a training needs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from service.inference.local.loader import read_config
from service.inference.local.memory import Shape, count_parameters, tensor_shapes

_MATRIX = 2  # dimensions
# Names in configurations: of the inner width, of the activation, of attention's dropout.
_INNER = ("intermediate_size", "n_inner", "ffn_dim", "hidden_dim")
_ACTIVATION = ("hidden_act", "activation_function", "hidden_activation", "activation")
_DROPOUT = ("attn_pdrop", "attention_dropout", "attention_probs_dropout_prob")
# Activations of one kernel; what transformers composes of operations keeps their results, too.
_ONE_KERNEL = frozenset(
    {"gelu", "gelu_pytorch_tanh", "relu", "relu6", "silu", "swish", "tanh", "sigmoid", "mish"}
)


def read_shape(folder: Path, *, device: Any) -> Shape:
    """Return the shape of a model from its configuration and the headers of its weights.

    Raises Invalid `model_not_readable` and `weights_not_readable`.
    """
    config, tensors = read_config(folder), tensor_shapes(folder)
    hidden = int(getattr(config, "hidden_size", 0) or 1)
    vocabulary = int(getattr(config, "vocab_size", 0) or 1)
    has_dropout = any(getattr(config, name, None) for name in _DROPOUT)
    return Shape(
        parameters=count_parameters(folder),
        layers=int(getattr(config, "num_hidden_layers", 0) or 1),
        heads=int(getattr(config, "num_attention_heads", 0) or 1),
        vocabulary=vocabulary,
        inner=int(_first_of(config, _INNER) or 4 * hidden),
        matrix_widths=sum(
            sum(each)
            for each in tensors.values()
            if len(each) == _MATRIX and vocabulary not in each
        ),
        norm_widths=sum(
            each[0]
            for name, each in tensors.items()
            if len(each) == 1 and name.endswith((".weight", ".gamma"))
        ),
        has_gate=any("gate" in name for name in tensors),
        has_composed_activation=_first_of(config, _ACTIVATION) not in _ONE_KERNEL,
        keeps_scores=has_dropout and device.type == "cpu",  # a GPU's fused kernels draw it twice
    )


def _first_of(config: Any, names: Iterable[str]) -> Any:
    """Return the first value that a configuration has by one of some names."""
    return next(filter(None, (getattr(config, name, None) for name in names)), None)
