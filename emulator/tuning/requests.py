"""Reading the TuningJob a client sends, with the checks the service makes at creation."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from emulator.catalogue import MODELS, bare_name
from emulator.errors import GoogleError, Violation
from emulator.learners.history import default_epochs
from emulator.messages import parse_message
from emulator.tuning.continuation import FindTuning, Parent, UnfitParentError, choose_parent
from emulator.tuning.examples import count_rows
from emulator.tuning.records import PREFERENCE, SUPERVISED

_ROOT = "tuning_job"
_SPEC = f"{_ROOT}.supervised_tuning_spec"
_PREFERENCE = (PREFERENCE, "preference_optimization_spec")
_HYPER_PARAMETERS = ("hyperParameters", "hyper_parameters")
_PREFERENCE_SPEC = f"{_ROOT}.preference_optimization_spec"
_URI = re.compile(r"gs://[a-z0-9][a-z0-9._-]+/.+\.jsonl")
_KEY = re.compile(r"[^\W\d_A-Z][\w-]{0,62}")
_VALUE = re.compile(r"[\w-]{0,63}")
_MOST_LABELS = 64
_LONGEST_DISPLAY_NAME = 128
_ECHOED = (
    "baseModel",
    "supervisedTuningSpec",
    "tunedModelDisplayName",
    "description",
    "labels",
    "encryptionSpec",
    "serviceAccount",
)


FindFile = Callable[[str], Path | None]
"""Returns where the bytes of a gs:// URI are; None for an object that is not there."""


@dataclass(frozen=True, slots=True)
class TuningRequest:
    """A valid request; `echoed` is the client's part of the resource, defaults filled in."""

    base_model: str
    training_uri: str
    validation_uri: str | None
    epochs: int
    learning_rate_multiplier: float
    echoed: dict[str, Any]
    parent: Parent | None = None
    beta: float | None = None


def read_tuning_request(
    document: dict[str, Any],
    *,
    location: str,
    types: Any,
    find_file: FindFile,
    find_model: FindTuning,
    epochs_by_default: int | None,
    files_may_be_missing: bool = False,
) -> TuningRequest:
    """Return the checked request. `types` is the message class.

    It has no place for preference tuning, whose spec is a supervised one and `beta`: that is read
    apart, and the rest checked as such. A request without epochs gets `epochs_by_default`, or as
    many as its number of rows suggests.

    Raises GoogleError 400 with one field violation for each thing wrong, in Google's layout.
    """
    if sent_as := next((name for name in _PREFERENCE if name in document), None):
        return _read_preference(
            document,
            sent_as,
            lambda plain: read_tuning_request(
                plain,
                location=location,
                types=types,
                find_file=find_file,
                find_model=find_model,
                epochs_by_default=epochs_by_default,
                files_may_be_missing=files_may_be_missing,
            ),
        )
    message = parse_message(document, types, root=_ROOT)
    parent = _read_parent(message, find_model=find_model, location=location)
    base_model = parent.tuning.base_model if parent else bare_name(message.base_model)
    violations = [
        *_check_model(base_model, location=location),
        *_check_names(message),
        *_check_spec(
            message.supervised_tuning_spec,
            find_file=(lambda _: Path()) if files_may_be_missing else find_file,
        ),
    ]
    sent = json_format.MessageToDict(message)
    parameters = sent.get("supervisedTuningSpec", {}).get("hyperParameters", {})
    size = parameters.get("adapterSize", "ADAPTER_SIZE_UNSPECIFIED")
    violations += _check_adapter_size(size, base_model=base_model)
    if violations:
        raise _refused(violations)
    epochs = int(message.supervised_tuning_spec.hyper_parameters.epoch_count)
    epochs = epochs or epochs_by_default or 0
    if not epochs:
        file = find_file(message.supervised_tuning_spec.training_dataset_uri)
        epochs = default_epochs(count_rows(file) if file else 0)
    return _tuning_request(message, sent, base_model=base_model, epochs=epochs, parent=parent)


def _read_preference(
    document: dict[str, Any], sent_as: str, read: Callable[[dict[str, Any]], TuningRequest]
) -> TuningRequest:
    """Return a checked request for preference tuning, echoed as it was sent."""
    if SUPERVISED in document:
        text = "supervised_tuning_spec and preference_optimization_spec exclude each other."
        raise _refused([Violation(_PREFERENCE_SPEC, text)])
    spec, beta = _without_beta(document[sent_as])
    plain = {name: value for name, value in document.items() if name != sent_as}
    try:
        request = read(plain | {SUPERVISED: spec})
    except GoogleError as error:
        raise _of_preference(error) from error
    if not MODELS[request.base_model].takes_preferences:
        text = f"Base model {request.base_model} is not supported for preference tuning."
        raise _refused([Violation(f"{_ROOT}.base_model", text)])
    echoed = dict(request.echoed)
    spec = echoed.pop(SUPERVISED)
    if beta is not None:
        spec["hyperParameters"] |= {"beta": beta}
    return replace(request, echoed=echoed | {PREFERENCE: spec}, beta=beta)


def _without_beta(spec: Any) -> tuple[Any, float | None]:
    members = spec if isinstance(spec, dict) else {}
    name = next((each for each in _HYPER_PARAMETERS if each in members), "")
    given = members.get(name)
    if not isinstance(given, dict) or "beta" not in given:
        return spec, None
    parameters, beta = dict(given), given["beta"]
    del parameters["beta"]
    if isinstance(beta, bool) or not isinstance(beta, int | float) or not 0 < beta < inf:
        text = "beta must be a positive number."
        raise _refused([Violation(f"{_PREFERENCE_SPEC}.hyper_parameters.beta", text)])
    return spec | {name: parameters}, float(beta)


def _of_preference(error: GoogleError) -> GoogleError:
    """Return a refusal of a spec with the name that the spec was sent under."""
    violations = [
        Violation(each.field.replace(_SPEC, _PREFERENCE_SPEC), each.description)
        for each in error.violations
    ]
    message = error.message.replace(_SPEC, _PREFERENCE_SPEC)
    return GoogleError(error.http_code, message, violations=violations)


def _read_parent(message: Any, *, find_model: FindTuning, location: str) -> Parent | None:
    """Return the tuned model to continue. Without it nothing else can be checked."""
    if not message.HasField("pre_tuned_model"):
        return None
    given = message.pre_tuned_model
    try:
        return choose_parent(
            given.tuned_model_name, given.checkpoint_id, find=find_model, location=location
        )
    except UnfitParentError as error:
        raise _refused([Violation(f"{_ROOT}.pre_tuned_model", str(error))]) from error


def _tuning_request(
    message: Any, sent: dict[str, Any], *, base_model: str, epochs: int, parent: Parent | None
) -> TuningRequest:
    spec = message.supervised_tuning_spec
    rate = float(spec.hyper_parameters.learning_rate_multiplier) or 1.0
    echoed = {name: sent[name] for name in _ECHOED if name in sent}
    parameters = dict(echoed["supervisedTuningSpec"].get("hyperParameters", {}))
    parameters |= {"epochCount": str(epochs), "learningRateMultiplier": rate}
    echoed["supervisedTuningSpec"] |= {"hyperParameters": parameters}
    if parent:
        resolved = {"checkpointId": parent.checkpoint_id, "baseModel": base_model}
        echoed["preTunedModel"] = sent["preTunedModel"] | resolved
    return TuningRequest(
        base_model=base_model,
        training_uri=spec.training_dataset_uri,
        validation_uri=spec.validation_dataset_uri or None,
        epochs=epochs,
        learning_rate_multiplier=rate,
        echoed=echoed,
        parent=parent,
    )


def _check_model(base_model: str, *, location: str) -> list[Violation]:
    field = f"{_ROOT}.base_model"
    if base_model not in MODELS:
        return [Violation(field, f"Base model {base_model} is not supported.")]
    if MODELS[base_model].tuned_location(location) is None:
        return [Violation(field, f"Base model {base_model} cannot be tuned in {location}.")]
    return []


def _check_adapter_size(name: str, *, base_model: str) -> list[Violation]:
    """Compare `ADAPTER_SIZE_FOUR` and the like with the sizes of the base model."""
    sizes = MODELS[base_model].adapter_sizes if base_model in MODELS else ()
    if not sizes or name.removeprefix("ADAPTER_SIZE_") in {"UNSPECIFIED", *sizes}:
        return []
    message = f"{name} is not supported for {base_model}; supported: {', '.join(sizes)}."
    return [Violation(f"{_SPEC}.hyper_parameters.adapter_size", message)]


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


def _check_spec(spec: Any, *, find_file: FindFile) -> list[Violation]:
    uris = {"training_dataset_uri": spec.training_dataset_uri}
    if spec.validation_dataset_uri:
        uris["validation_dataset_uri"] = spec.validation_dataset_uri
    violations = [
        violation
        for name, uri in uris.items()
        for violation in _check_uri(name, uri, find_file=find_file)
    ]
    return violations + _check_hyper_parameters(spec.hyper_parameters)


def _check_uri(name: str, uri: str, *, find_file: FindFile) -> list[Violation]:
    if not _URI.fullmatch(uri):
        return [Violation(f"{_SPEC}.{name}", f"{name} should be a GCS object of type JSONL.")]
    if find_file(uri) is None:
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
