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

_FLOAT_BYTES = 4
_ADAM_BYTES = 8  # two moments of 4 bytes for each trained parameter (Kingma and Ba, 2015)
_HEADER_BYTES = 8
_OVERHEAD_BYTES = 256 << 20  # of PyTorch and transformers themselves
_MEMORY_MAX = Path("/sys/fs/cgroup/memory.max")
_MEMORY_CURRENT = Path("/sys/fs/cgroup/memory.current")
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides how much a model needs: counts of its configuration and of its weights."""

    parameters: int
    layers: int
    hidden: int
    heads: int
    vocabulary: int


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes of weights, of gradients with Adam's moments, and of a batch's activations."""

    weights: int
    training: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.training + self.activations + _OVERHEAD_BYTES


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
    shape: Shape, *, trained: int, batch_size: int, length: int, predicts_tokens: bool
) -> MemoryNeed:
    """Return what training needs in 32-bit floats.

    A layer keeps s·b·h·(34 + 5·a·s/h) bytes of activations in 16-bit floats (Korthikanti et al.,
    Reducing Activation Recomputation in Large Transformer Models, 2022, eq. 2): here twice that. A
    model that predicts tokens holds their logits, as softmax and as gradient, too.
    """
    tokens = batch_size * length
    layer = 2 * tokens * (34 * shape.hidden + 5 * shape.heads * length)
    logits = 3 * _FLOAT_BYTES * tokens * shape.vocabulary if predicts_tokens else 0
    return MemoryNeed(
        weights=_FLOAT_BYTES * shape.parameters,
        training=(_FLOAT_BYTES + _ADAM_BYTES) * trained,
        activations=shape.layers * layer + logits,
    )


def require_memory(need: MemoryNeed, *, available: int, what: str) -> None:
    """Raise Invalid `memory_not_enough`, with the numbers, where a model would not fit."""
    if need.total <= available:
        return
    message = (
        f"{what} needs about {_mib(need.total)} MiB ({_mib(need.weights)} for weights, "
        f"{_mib(need.training)} for gradients and optimizer, {_mib(need.activations)} for "
        f"activations) and {_mib(available)} MiB are available: take a smaller model, an adapter, "
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
