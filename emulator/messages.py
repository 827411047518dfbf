"""Request bodies as messages of Google's published types; unknown fields are refused."""

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from emulator.bare_imports import import_bare
from emulator.errors import GoogleError, Violation

_PREFIX = "Invalid JSON payload received."
_UNKNOWN_FIELD = re.compile(r'has no field named "(?P<name>.*?)" at "(?P<path>[^"]*)"')
_TWICE = re.compile(r'should not have multiple "(?P<name>[^"]*)" oneof fields at "(?P<path>[^"]*)"')
_VALUE_PATH = re.compile(r" at \w+\.(?P<path>[\w.\[\]]*[\w\]])\.*$")
_FIELD_CHAIN = re.compile(r"Failed to parse (\w+) field:")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


# Built once: `json.loads` and `json.dumps` build theirs anew for each call with options.
_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def encode_json(document: Any) -> bytes:
    return _encode(document).encode()


def parse_json(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; an empty body is an empty object, as Google reads it."""
    if not body:
        return {}
    try:
        document = _decode(body.decode(json.detect_encoding(body), "surrogatepass"))
        if b"\\u" in body or b"\xed" in body:
            _encode(document).encode()  # raises for half a surrogate pair, which is no text
    except (ValueError, RecursionError) as error:
        raise GoogleError(400, f"{_PREFIX} Unexpected token.") from error
    if not isinstance(document, dict):
        raise GoogleError(400, f"{_PREFIX} The root must be an object.")
    return document


def parse_message(document: dict[str, Any], message_type: Any, *, root: str = "") -> Any:
    """Return the protobuf message a JSON object describes, in camelCase or snake_case.

    `root` is the name of the body's field in the request, put in front of paths in errors.
    Raises GoogleError 400 in Google's words, with the path but, unlike Google, without the value:
    a prompt has no place in an error.
    """
    message = message_type()
    try:
        json_format.ParseDict(document, message, ignore_unknown_fields=False)
    except (json_format.ParseError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise _translated(str(error), root=root) from error
    unknown = _find_unknown_enum(message, root)
    if unknown is not None:
        raise _refusal(f"Invalid value at '{unknown}' (TYPE_ENUM).", path=unknown)
    return message


def _translated(text: str, *, root: str) -> GoogleError:
    if found := _UNKNOWN_FIELD.search(text):
        path = _google_path(found["path"], root=root)
        place = f" at '{path}'" if path else ""
        name = json.dumps(found["name"])
        return _refusal(f"{_PREFIX} Unknown name {name}{place}: Cannot find field.", path=path)
    if found := _TWICE.search(text):
        path = _google_path(found["path"], root=root)
        return _refusal(f"Invalid value at '{path}': '{found['name']}' is set twice.", path=path)
    path = _value_path(text, root=root)
    return _refusal(f"Invalid value at '{path}'.", path=path)


def _refusal(message: str, *, path: str) -> GoogleError:
    return GoogleError(400, message, violations=[Violation(path, message)])


def _value_path(text: str, *, root: str) -> str:
    if found := _VALUE_PATH.search(text):
        return _google_path(f"Root.{found['path']}", root=root)
    return _google_path(".".join(["Root", *_FIELD_CHAIN.findall(text)]), root=root)


def _google_path(path: str, *, root: str) -> str:
    """Turn `TuningJob.supervisedTuningSpec` into `tuning_job.supervised_tuning_spec`."""
    steps = [re.sub(r"([A-Z])", r"_\1", step).lower() for step in path.split(".")[1:]]
    return ".".join([root, *steps] if root else steps)


def _find_unknown_enum(message: Any, path: str) -> str | None:
    """Return the path of an enum number the type does not list: ParseDict lets those through."""
    for field, value in message.ListFields():
        here = f"{path}.{field.name}" if path else field.name
        for item in value if field.is_repeated else (value,):
            if field.type == FieldDescriptor.TYPE_ENUM:
                if item not in field.enum_type.values_by_number:
                    return here
            elif field.type == FieldDescriptor.TYPE_MESSAGE and not isinstance(item, str):
                found = _find_unknown_enum(item, here)
                if found is not None:
                    return found
    return None


_PACKAGE = "google.cloud.aiplatform_v1"
_TYPES = f"{_PACKAGE}.types"
_TYPE_MODULES = (
    *("tuning_job", "prediction_service", "endpoint_service", "batch_prediction_job"),
    *("evaluation_service", "llm_utility_service"),
)


@dataclass(frozen=True, slots=True)
class RequestTypes:
    """Protobuf message classes; an instance of one is what a request must fit."""

    tuning_job: Any
    generate_content: Any
    count_tokens: Any
    compute_tokens: Any
    undeploy_model: Any
    batch_job: Any
    evaluate_instances: Any


def load_request_types() -> RequestTypes:
    """Return the message classes.

    Importing any submodule of the package costs 3 s and 140 MiB because its `__init__` loads every
    service; bare imports bring that down to 0.3 s. Only a process that never imports the real
    clients may do so.
    """
    names = [f"{_TYPES}.{name}" for name in _TYPE_MODULES]
    tuning, prediction, endpoints, batches, evaluation, tokenizers = cast(
        "list[Any]", import_bare(names, packages=(_PACKAGE, _TYPES), keep=True)
    )
    return RequestTypes(
        tuning_job=tuning.TuningJob.pb(),
        generate_content=prediction.GenerateContentRequest.pb(),
        count_tokens=prediction.CountTokensRequest.pb(),
        compute_tokens=tokenizers.ComputeTokensRequest.pb(),
        undeploy_model=endpoints.UndeployModelRequest.pb(),
        batch_job=batches.BatchPredictionJob.pb(),
        evaluate_instances=evaluation.EvaluateInstancesRequest.pb(),
    )
