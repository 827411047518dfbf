"""Google's published v1 request types, loaded without the 35 services around them."""

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_PACKAGE = "google.cloud.aiplatform_v1"
_TYPES = f"{_PACKAGE}.types"


@dataclass(frozen=True, slots=True)
class RequestTypes:
    """Protobuf message classes; an instance of one is what a request must fit."""

    tuning_job: Any
    generate_content: Any
    count_tokens: Any
    undeploy_model: Any
    batch_job: Any
    evaluate_instances: Any


def load_request_types() -> RequestTypes:
    """Return the message classes.

    Importing any submodule of the package costs 3 s and 140 MiB because its `__init__` loads every
    service; empty shells in `sys.modules` bring that down to 0.3 s. Only a process that never
    imports the real clients may do so. Falls back to the full import when the shells fail.
    """
    if _PACKAGE in sys.modules:
        return _import_types()
    try:
        _install_shell(_PACKAGE)
        _install_shell(_TYPES)
        return _import_types()
    except (ImportError, AttributeError, TypeError, ValueError):
        for name in [name for name in sys.modules if name.startswith(_PACKAGE)]:
            del sys.modules[name]
        return _import_types()


def _install_shell(name: str) -> None:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"no package {name}")
    shell = ModuleType(name)
    shell.__path__ = list(spec.submodule_search_locations)
    sys.modules[name] = shell


def _import_types() -> RequestTypes:
    tuning = importlib.import_module(f"{_TYPES}.tuning_job")
    prediction = importlib.import_module(f"{_TYPES}.prediction_service")
    endpoints = importlib.import_module(f"{_TYPES}.endpoint_service")
    batches = importlib.import_module(f"{_TYPES}.batch_prediction_job")
    evaluation = importlib.import_module(f"{_TYPES}.evaluation_service")
    return RequestTypes(
        tuning_job=tuning.TuningJob.pb(),
        generate_content=prediction.GenerateContentRequest.pb(),
        count_tokens=prediction.CountTokensRequest.pb(),
        undeploy_model=endpoints.UndeployModelRequest.pb(),
        batch_job=batches.BatchPredictionJob.pb(),
        evaluate_instances=evaluation.EvaluateInstancesRequest.pb(),
    )
