"""Reading the BatchPredictionJob a client sends, with the checks made at creation."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from emulator.errors import GoogleError, Violation
from emulator.inference.targets import Target
from emulator.messages import parse_message

_ROOT = "batch_prediction_job"
_URI = re.compile(r"gs://[a-z0-9][a-z0-9._-]+/[^*]+")
_PREFIX = re.compile(r"gs://[a-z0-9][a-z0-9._-]+(?:/.*)?")
_ECHOED = (
    "displayName",
    "model",
    "inputConfig",
    "outputConfig",
    "modelParameters",
    "labels",
    "encryptionSpec",
    "serviceAccount",
)


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A valid request; `echoed` is the client's part of the resource."""

    model: str
    target: Target
    input_uri: str
    output_prefix: str
    echoed: dict[str, Any]


def read_batch_request(
    document: dict[str, Any], types: Any, *, find: Callable[[str], Target]
) -> BatchRequest:
    """Return the checked request.

    `find` returns the target of a model name and raises GoogleError for a model that has no batch
    prediction. Raises GoogleError 400 with one violation for each thing wrong, and 501 for what the
    emulator does not serve.
    """
    message = parse_message(document, types, root=_ROOT)
    source, destination = message.input_config, message.output_config
    if source.WhichOneof("source") not in {None, "gcs_source"} or destination.WhichOneof(
        "destination"
    ) not in {None, "gcs_destination"}:
        raise GoogleError(501, "The emulator reads and writes batches on Cloud Storage only.")
    violations = _check(message)
    if violations:
        text = " ".join(violation.description for violation in violations)
        raise GoogleError(400, text, violations=violations)
    target = find(message.model)
    sent = json_format.MessageToDict(message)
    return BatchRequest(
        model=message.model,
        target=target,
        input_uri=source.gcs_source.uris[0],
        output_prefix=destination.gcs_destination.output_uri_prefix,
        echoed={name: sent[name] for name in _ECHOED if name in sent},
    )


def _check(message: Any) -> list[Violation]:
    uris = list(message.input_config.gcs_source.uris)
    prefix = message.output_config.gcs_destination.output_uri_prefix
    rules = {
        "display_name": (bool(message.display_name), "display_name is required."),
        "model": (bool(message.model), "model is required."),
        "input_config.instances_format": (
            message.input_config.instances_format == "jsonl",
            'instances_format must be "jsonl".',
        ),
        "input_config.gcs_source.uris": (
            len(uris) == 1 and bool(_URI.fullmatch(uris[0])),
            "gcs_source needs exactly one gs:// URI of an object.",
        ),
        "output_config.predictions_format": (
            message.output_config.predictions_format == "jsonl",
            'predictions_format must be "jsonl".',
        ),
        "output_config.gcs_destination.output_uri_prefix": (
            bool(_PREFIX.fullmatch(prefix)),
            "output_uri_prefix must be a gs:// URI.",
        ),
    }
    return [
        Violation(f"{_ROOT}.{place}", text) for place, (holds, text) in rules.items() if not holds
    ]
