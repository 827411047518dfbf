"""Metrics of a user's own: one Python file each, in a folder that a setting names.

The operator of the service writes them; they run with its rights.
"""

import hashlib
import math
import re
from collections.abc import Callable
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from service.errors import Invalid
from service.evaluation.metrics.measures import RowAverage
from service.evaluation.metrics.registry import METRICS, MetricSpec

_TAKEN = ("vertex_", "judge_")  # of Google's evaluation service, and of models that judge
_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")


class UserMetric(RowAverage):
    """The mean of what the function `earned` of a user's file returns, 0 to 100."""

    def __init__(self, function: Callable[[str, str], float]) -> None:
        self._function = function

    def earned(self, prediction: str, reference: str) -> float:
        value = float(self._function(prediction, reference))
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise ValueError(f"a metric's `earned` returned {value}; it is from 0 to 1")
        return value


def register_user_metrics(folder: Path) -> None:
    """Make the metrics of a folder known in this process; a second call changes nothing.

    Raises what `load_user_metrics` raises, and Invalid `name_taken`.
    """
    for spec in load_user_metrics(folder):
        known = METRICS.get(spec.name)
        if known is None or known.signature != spec.signature:
            METRICS.add(spec.name, spec)


def load_user_metrics(folder: Path) -> list[MetricSpec]:
    """Return the metrics of a folder's `*.py` files, named as these are, in their order.

    A file has a function `earned(prediction, reference)` that returns 0 to 1, and perhaps
    `TITLE`, `BINARY` (only 0 or 1 is earned) and `READS_RAW` (answers as the model gave them).
    Raises Invalid `invalid_metric_file`, which names the file.
    """
    if not folder.is_dir():
        raise Invalid(f"{folder} is no folder of metrics", code="invalid_metric_file")
    return [_read(path) for path in sorted(folder.glob("*.py"))]


def _read(path: Path) -> MetricSpec:
    name = path.stem
    if not _NAME.fullmatch(name):
        raise _invalid(path, "its name is not of lower-case letters, digits and _")
    if name.startswith(_TAKEN):
        raise _invalid(path, f"names that begin with {' or '.join(_TAKEN)} are scores of others")
    module = _module(path)
    function = getattr(module, "earned", None)
    if not callable(function):
        raise _invalid(path, "it has no function `earned(prediction, reference)`")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return MetricSpec(
        name,
        str(getattr(module, "TITLE", name.replace("_", " "))),
        "example",
        partial(UserMetric, function),
        binary=bool(getattr(module, "BINARY", False)),
        reads_raw=bool(getattr(module, "READS_RAW", False)),
        signed=f"{name}|sha256:{digest}".__str__,
    )


def _module(path: Path) -> Any:
    spec = spec_from_file_location(f"user_metric_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise _invalid(path, "it is no Python file")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _invalid(path, f"it does not run: {type(error).__name__}") from error
    return module


def _invalid(path: Path, reason: str) -> Invalid:
    return Invalid(f"the metric file {path.name}: {reason}", code="invalid_metric_file")
