"""Reading the TuningJob a client sends, with the checks the service makes at creation."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from google.protobuf import json_format

from emulator.errors import GoogleError, Violation
from emulator.parsing import parse_message
from emulator.tuning.catalogue import check_adapter_size, check_model, model_name

_ROOT = "tuning_job"
_SPEC = f"{_ROOT}.supervised_tuning_spec"
_URI = re.compile(r"gs://[a-z0-9][a-z0-9._-]+/.+\.jsonl")
_KEY = re.compile(r"[^\W\d_A-Z][\w-]{0,62}")
_VALUE = re.compile(r"[\w-]{0,63}")
_MOST_LABELS = 64
_LONGEST_DISPLAY_NAME = 128
_DEFAULT_EPOCHS = 3
_ECHOED = (
    "baseModel",
    "supervisedTuningSpec",
    "tunedModelDisplayName",
    "description",
    "labels",
    "encryptionSpec",
    "serviceAccount",
)


@dataclass(frozen=True, slots=True)
class Order:
    """A valid request; `echoed` is the client's part of the resource, defaults filled in."""

    base_model: str
    training_uri: str
    validation_uri: str | None
    epochs: int
    learning_rate_multiplier: float
    echoed: dict[str, Any]


def read_order(
    document: dict[str, Any], *, location: str, types: Any, exists: Callable[[str], bool]
) -> Order:
    """Return what is ordered. `types` is the message class, `exists` asks for an object by its URI.

    Raises GoogleError 400 with one field violation for each thing wrong, in Google's layout.
    """
    message = parse_message(document, types, root=_ROOT)
    if message.HasField("pre_tuned_model"):
        raise GoogleError(501, "The emulator does not tune a tuned model further.")
    violations = [
        *check_model(model_name(message.base_model), location=location),
        *_check_names(message),
        *_check_spec(message.supervised_tuning_spec, exists=exists),
    ]
    sent = json_format.MessageToDict(message)
    parameters = sent.get("supervisedTuningSpec", {}).get("hyperParameters", {})
    size = parameters.get("adapterSize", "ADAPTER_SIZE_UNSPECIFIED")
    violations += check_adapter_size(size, base_model=model_name(message.base_model))
    if violations:
        raise _refused(violations)
    return _order(message, sent)


def _order(message: Any, sent: dict[str, Any]) -> Order:
    spec = message.supervised_tuning_spec
    epochs = int(spec.hyper_parameters.epoch_count) or _DEFAULT_EPOCHS
    rate = float(spec.hyper_parameters.learning_rate_multiplier) or 1.0
    echoed = {name: sent[name] for name in _ECHOED if name in sent}
    parameters = dict(echoed["supervisedTuningSpec"].get("hyperParameters", {}))
    parameters |= {"epochCount": str(epochs), "learningRateMultiplier": rate}
    echoed["supervisedTuningSpec"] |= {"hyperParameters": parameters}
    return Order(
        base_model=model_name(message.base_model),
        training_uri=spec.training_dataset_uri,
        validation_uri=spec.validation_dataset_uri or None,
        epochs=epochs,
        learning_rate_multiplier=rate,
        echoed=echoed,
    )


def _check_names(message: Any) -> list[Violation]:
    violations = []
    if len(message.tuned_model_display_name) > _LONGEST_DISPLAY_NAME:
        text = f"tuned_model_display_name has more than {_LONGEST_DISPLAY_NAME} characters."
        violations.append(Violation(f"{_ROOT}.tuned_model_display_name", text))
    if not _are_labels(message.labels):
        text = "labels: at most 64, of lowercase letters, digits, _ and -, at most 63 characters."
        violations.append(Violation(f"{_ROOT}.labels", text))
    return violations


def _are_labels(labels: Mapping[str, str]) -> bool:
    return len(labels) <= _MOST_LABELS and all(
        _KEY.fullmatch(key) and _VALUE.fullmatch(value) and value == value.lower()
        for key, value in labels.items()
    )


def _check_spec(spec: Any, *, exists: Callable[[str], bool]) -> list[Violation]:
    uris = {"training_dataset_uri": spec.training_dataset_uri}
    if spec.validation_dataset_uri:
        uris["validation_dataset_uri"] = spec.validation_dataset_uri
    violations = [
        violation
        for name, uri in uris.items()
        for violation in _check_uri(name, uri, exists=exists)
    ]
    return violations + _check_hyper_parameters(spec.hyper_parameters)


def _check_uri(name: str, uri: str, *, exists: Callable[[str], bool]) -> list[Violation]:
    if not _URI.fullmatch(uri):
        return [Violation(f"{_SPEC}.{name}", f"{name} should be a GCS object of type JSONL.")]
    if not exists(uri):
        return [Violation(f"{_SPEC}.{name}", f"{name} names an object that was not found.")]
    return []


def _check_hyper_parameters(parameters: Any) -> list[Violation]:
    place = f"{_SPEC}.hyper_parameters"
    violations = []
    if parameters.epoch_count < 0:
        violations.append(Violation(f"{place}.epoch_count", "epoch_count must be positive."))
    rate = parameters.learning_rate_multiplier
    if not isfinite(rate) or rate < 0:
        text = "learning_rate_multiplier must be positive."
        violations.append(Violation(f"{place}.learning_rate_multiplier", text))
    return violations


def _refused(violations: list[Violation]) -> GoogleError:
    listed = "".join(
        f"{number}.Field: {violation.field}; Message: {violation.description}\t"
        for number, violation in enumerate(violations, start=1)
    )
    return GoogleError(400, f"List of found errors:\t{listed}", violations=violations)
