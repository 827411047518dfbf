"""How much memory a model needs and how much there is: asked before it is loaded. Pure but for
the reading of headers and of what the kernel says.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from math import prod
from pathlib import Path

from service.errors import Invalid
from service.inference.local.folders import WEIGHTS

_FLOAT_BYTES, _HALF_BYTES = 4, 2
_ADAM_BYTES = 8  # two moments of 4 bytes for each trained parameter (Kingma and Ba, 2015)
_HEADER_BYTES = 8
_OVERHEAD_BYTES = 256 << 20  # of PyTorch, transformers, and the workspaces of their kernels
# What autograd keeps of a token in a layer, measured with saved_tensors_hooks on seven
# architectures: of each value that is normalised its input and result and the sum with what it
# skips in 32 bits, and a mask; of each score of attention that dropout works on the probability,
# what is left of it and the mask.
_NORM_BYTES, _SCORE_BYTES = 13, 12
# Tensors of a layer's inner width beside the outputs of its matrices: an activation that is
# composed of operations keeps their results, a gate its product.
_COMPOSED_TENSORS, _GATE_TENSORS = 3, 1
# Of a token's logits: themselves, their log-softmax and the gradient of each; in bf16 they and
# their gradient again in 32 bits.
_LOGIT_BYTES, _LOGIT_BYTES_BF16 = 12, 16
_MEMORY_MAX = Path("/sys/fs/cgroup/memory.max")
_MEMORY_CURRENT = Path("/sys/fs/cgroup/memory.current")
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides how much a model needs: counts of its configuration and of its weights.

    `matrix_widths` and `norm_widths` are the sums of rows and columns of all matrices but
    embeddings, and of the values that are normalised; `inner` is the width between the matrices of
    a layer. `keeps_scores`: attention keeps a score for each two tokens of a head.
    """

    parameters: int
    layers: int
    heads: int
    vocabulary: int
    inner: int
    matrix_widths: int
    norm_widths: int
    has_gate: bool = False
    has_composed_activation: bool = False
    keeps_scores: bool = False


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes of weights, of gradients, of Adam's moments, and of a batch's activations.

    Activations are given back while gradients come about: never are all of both there. `loading`
    is what reading the weights takes of the machine's memory where they go to a GPU.
    """

    weights: int
    gradients: int = 0
    optimizer: int = 0
    activations: int = 0
    loading: int = 0

    @property
    def total(self) -> int:
        passing = max(self.gradients, self.activations)
        return self.weights + self.optimizer + passing + _OVERHEAD_BYTES


def count_parameters(folder: Path) -> int:
    """Return how many parameters the weights in a folder have, from their headers alone.

    Source: the safetensors format: 8 bytes with the header's length, then JSON with a shape for
    each tensor. Raises Invalid `weights_not_readable`.
    """
    return sum(map(prod, tensor_shapes(folder).values()))


def tensor_shapes(folder: Path) -> dict[str, list[int]]:
    """Return the shape of each tensor in a folder; raises Invalid `weights_not_readable`."""
    return dict(chain.from_iterable(map(_shapes, sorted(folder.glob(WEIGHTS)))))


def _shapes(file: Path) -> Iterable[tuple[str, list[int]]]:
    message = f"{file.name} is no safetensors file, or a damaged or a cut one"
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(_HEADER_BYTES), "little")
            header = json.loads(stream.read(min(length, size)))
        tensors = [(name, each) for name, each in header.items() if name != "__metadata__"]
        end = (
            _HEADER_BYTES
            + length
            + max((each["data_offsets"][1] for _, each in tensors), default=0)
        )
        shapes = [(name, each["shape"]) for name, each in tensors]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Invalid(message, code="weights_not_readable") from error
    if size < end:
        raise Invalid(message, code="weights_not_readable")
    return shapes


def need_of_training(
    shape: Shape,
    *,
    trained: int,
    batch_size: int,
    length: int,
    predicts_tokens: bool,
    bf16: bool = False,
) -> MemoryNeed:
    """Return what training needs at most, in 32-bit floats or with autocast to bf16.

    Autocast keeps weights and what it normalises in 32 bits, and a copy of each weight and the
    outputs of matrices in 16. The backward pass works on one layer's activations beside those of
    all. Peaks on a GPU and on a processor stand beside these estimates in
    `tests/service/inference/memory_records.json`.
    """
    float_bytes = _HALF_BYTES if bf16 else _FLOAT_BYTES
    inner = _COMPOSED_TENSORS * shape.has_composed_activation + _GATE_TENSORS * shape.has_gate
    values = shape.matrix_widths + inner * shape.inner * shape.layers
    token = float_bytes * values + _NORM_BYTES * shape.norm_widths
    if shape.keeps_scores:
        token += _SCORE_BYTES * shape.heads * length * shape.layers
    token += token // shape.layers
    if predicts_tokens:
        token += (_LOGIT_BYTES_BF16 if bf16 else _LOGIT_BYTES) * shape.vocabulary
    return MemoryNeed(
        weights=(_FLOAT_BYTES + _HALF_BYTES * bf16) * shape.parameters,
        gradients=_FLOAT_BYTES * trained,
        optimizer=_ADAM_BYTES * trained,
        activations=batch_size * length * token,
        loading=_FLOAT_BYTES * shape.parameters,
    )


def require_memory(need: MemoryNeed, *, available: int, what: str) -> None:
    """Raise Invalid `memory_not_enough`, with the numbers, where a model would not fit."""
    if need.total <= available:
        return
    message = (
        f"{what} needs about {_mib(need.total)} MiB ({_mib(need.weights)} for weights, "
        f"{_mib(need.optimizer)} for the optimizer, {_mib(need.gradients)} for gradients or "
        f"{_mib(need.activations)} for activations) and {_mib(available)} MiB are available: take "
        "a smaller model, an adapter, "
        "a smaller `batch_size` or `max_length`, or a machine with more memory"
    )
    raise Invalid(message, code="memory_not_enough")


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):,.0f}"


def available_bytes(limit: int = 0) -> int:
    """Return the memory that this process can still get: the kernel's, the container's, `limit`."""
    lines = (line.split() for line in _read(_MEMINFO).splitlines())
    found = [int(words[1]) << 10 for words in lines if words[0] == "MemAvailable:"]
    found += [limit] if limit else []
    most, used = _read(_MEMORY_MAX).strip(), _read(_MEMORY_CURRENT).strip()
    if most.isdigit() and used.isdigit():
        found.append(int(most) - int(used))
    return min(found, default=1 << 62)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except OSError:
        return ""
