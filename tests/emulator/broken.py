"""Requests that are wrong in some way, grown by Hypothesis out of right ones, and their answers."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from hypothesis import strategies as st

from tests.support import plain_http

_ROOT = Path(__file__).resolve().parents[2]
_HOME = "/v1/projects/lab/locations/us-central1"
_MODEL = f"{_HOME}/publishers/google/models/gemini-2.5-flash"
_CALM = {"tuning_outcome": "expire", "tuning_seconds": 1e9}
"""What the server is set to: accepted tunings only wait."""

_QUESTION: dict[str, Any] = {
    "contents": [{"role": "user", "parts": [{"text": "a happy day"}]}],
    "systemInstruction": {"parts": [{"text": "Answer in a word."}]},
    "generationConfig": {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 3,
        "candidateCount": 1,
        "maxOutputTokens": 20,
        "stopSequences": ["."],
        "seed": 4,
        "responseLogprobs": False,
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
        "thinkingConfig": {"thinkingBudget": 0},
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "labels": {"team": "one"},
}
_TUNING: dict[str, Any] = {
    "baseModel": "gemini-2.5-flash",
    "supervisedTuningSpec": {
        "trainingDatasetUri": "gs://data/rows.jsonl",
        "validationDatasetUri": "gs://data/rows.jsonl",
        "hyperParameters": {
            "epochCount": "2",
            "learningRateMultiplier": 1.0,
            "adapterSize": "ADAPTER_SIZE_FOUR",
        },
        "exportLastCheckpointOnly": True,
    },
    "tunedModelDisplayName": "notes",
    "description": "of a test",
    "labels": {"team": "one"},
    "encryptionSpec": {"kmsKeyName": "key"},
}
_CONTINUED: dict[str, Any] = {
    "preTunedModel": {
        "tunedModelName": "projects/lab/locations/us-central1/models/1@1",
        "checkpointId": "1",
    },
    "supervisedTuningSpec": _TUNING["supervisedTuningSpec"],
}
_CONFIG: dict[str, Any] = {
    "seed": 1,
    "requests_per_minute": 600,
    "latency_seconds": 0,
    "tuning_outcome": "succeed",
    "models": {"gemini-2.5-flash": {"safety_rate": 0.5, "requests_per_day": 3}},
}
_BATCH: dict[str, Any] = {
    "displayName": "batch",
    "model": "publishers/google/models/gemini-2.5-flash",
    "inputConfig": {
        "instancesFormat": "jsonl",
        "gcsSource": {"uris": ["gs://data/none.jsonl"]},
    },
    "outputConfig": {
        "predictionsFormat": "jsonl",
        "gcsDestination": {"outputUriPrefix": "gs://data/out"},
    },
}
_SCORES = {
    "exactMatchInput": {"metricSpec": {}, "instances": [{"prediction": "a", "reference": "b"}]}
}
_OBJECT = {"name": "object", "contentType": "text/plain", "metadata": {"a": "b"}, "md5Hash": "x"}
_TEMPLATES: tuple[tuple[str, str, Any], ...] = (
    ("POST", f"{_MODEL}:generateContent", _QUESTION),
    ("POST", f"{_MODEL}:streamGenerateContent", _QUESTION),
    ("POST", f"{_MODEL}:countTokens", {"contents": _QUESTION["contents"]}),
    ("POST", f"{_HOME}/tuningJobs", _TUNING),
    ("POST", f"{_HOME}/tuningJobs", _CONTINUED),
    ("POST", f"{_HOME}/batchPredictionJobs", _BATCH),
    ("POST", f"{_HOME}:evaluateInstances", _SCORES),
    ("POST", "/_emulator/config", _CONFIG),
    ("POST", "/_emulator/clock", {"advance_seconds": 0}),
    ("POST", "/storage/v1/b?project=lab", {"name": "bucket", "location": "US"}),
    ("POST", "/upload/storage/v1/b/data/o?uploadType=resumable&name=a", _OBJECT),
    ("PATCH", "/storage/v1/b/data/o/rows.jsonl", _OBJECT),
    ("POST", "/storage/v1/b/data/o/made/compose", {"sourceObjects": [{"name": "rows.jsonl"}]}),
)
_JUNK: tuple[Any, ...] = (
    *(None, True, 0, -1, 2.5, 99, 2**31, 2**63, 10**400, 1e300, float("nan"), float("inf")),
    *("", "x", "-1", "NaN", "\x00", "\ud800", "é" * 300, "gs://", "gs://data/../x.jsonl"),
    *([], [None], [[]], [{}], {}, {"": ""}, {"text": {"text": "x"}}, {"\ud800": 1}),
)
_QUERIES = (
    *("", "?pageSize=-1", "?pageSize=x", "?pageToken=%FF", "?filter=%00", "?alt=sse"),
    *("?maxResults=x", "?ifGenerationMatch=x", "?uploadType=none", "?upload_id=none"),
    *("?prefix=%ED%A0%80&delimiter=%00", "?delimiter=/&pageToken=Lw==&maxResults=1"),
    *("?generation=99999999999999999999", "?pageToken=OTk5", "?filter=labels.a%3D"),
)
_PATHS = (
    *(f"{_HOME}/tuningJobs", f"{_HOME}/tuningJobs/%00", f"{_HOME}/batchPredictionJobs"),
    *(f"{_HOME}/endpoints/x", f"{_HOME}/models", f"{_HOME}/models/1@x", "/storage/v1/b"),
    *(f"{_HOME}/models/1:listVersions", f"{_HOME}/tuningJobs:rebaseTunedModel"),
    *("/storage/v1/b/data/o", "/storage/v1/b/data/o/%ED%A0%80", "/storage/v1/b/%00/o"),
    *("/_emulator/tunings/x", "/_emulator/clock", "/storage/v1/b/data/o/rows.jsonl"),
)


@dataclass(frozen=True, slots=True)
class BrokenRequest:
    method: str
    path: str
    body: bytes


def _places(value: Any, *, depth: int = 12) -> list[tuple[Any, Any]]:
    """Return every (container, key) inside a document, down to some depth."""
    if not depth or not isinstance(value, dict | list):
        return []
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    inner = [place for _, each in items for place in _places(each, depth=depth - 1)]
    return [*((value, key) for key, _ in items), *inner]


def _nested(depth: int) -> Any:
    value: Any = "x"
    for level in range(depth):
        value = {"contents": value} if level % 2 else [value]
    return value


def _mutate(document: Any, draw: st.DrawFn) -> None:
    places = _places(document)
    if not places:
        return
    container, key = draw(st.sampled_from(places))
    match draw(st.sampled_from(("junk", "junk", "remove", "rename", "swap", "nest"))):
        case "remove":
            del container[key]
        case "rename" if isinstance(container, dict):
            container[draw(st.sampled_from((f"{key}s", str(key).upper(), "", "\x00")))] = 1
        case "swap":
            other, other_key = draw(st.sampled_from(places))
            container[key] = other.get(other_key) if isinstance(other, dict) else 1
        case "nest":
            container[key] = _nested(draw(st.sampled_from((3, 50, 2000))))
        case _:
            container[key] = copy.deepcopy(draw(st.sampled_from(_JUNK)))


@st.composite
def broken_requests(draw: st.DrawFn) -> BrokenRequest:
    """Draw a request with one to three things changed, some of them in its raw bytes."""
    if draw(st.integers(0, 9)) == 0:
        path = draw(st.sampled_from(_PATHS)) + draw(st.sampled_from(_QUERIES))
        return BrokenRequest(draw(st.sampled_from(("GET", "DELETE", "POST"))), path, b"{}")
    method, path, template = draw(st.sampled_from(_TEMPLATES))
    document = copy.deepcopy(template)
    for _ in range(draw(st.integers(1, 3))):
        _mutate(document, draw)
    body = _written(document)
    if draw(st.integers(0, 9)) == 0:
        cut = draw(st.integers(0, len(body)))
        body = body[:cut] + draw(st.sampled_from((b"", b"\xff", b"{", b"\x00", b'"')))
    return BrokenRequest(method, path, body)


def _written(document: Any) -> bytes:
    try:
        return json.dumps(document).encode()
    except (RecursionError, ValueError):  # nested too deeply, or in itself after a swap
        return b"[" * 5000


def send(client: httpx2.Client, request: BrokenRequest) -> str:
    """Send a request and return what is wrong with the answer; an empty text is nothing.

    A setting that was accepted after all is taken back, so that the next request is not its victim.
    """
    try:
        response = _request(client, request)
    except httpx2.TransportError:  # a kept connection may end as it is used again
        response = _request(client, request)
    if request.path == "/_emulator/config" and response.is_success:
        calm(client)
    if response.status_code == httpx2.codes.INTERNAL_SERVER_ERROR:
        return f"500 for {request}"
    if response.status_code >= httpx2.codes.BAD_REQUEST and request.method != "HEAD":
        return "" if "error" in response.text else f"no error in the answer to {request}"
    return ""


def _request(client: httpx2.Client, request: BrokenRequest) -> httpx2.Response:
    return client.request(
        request.method,
        request.path,
        content=request.body,
        headers={"content-type": "application/json"},
    )


def calm(client: httpx2.Client) -> None:
    """Put back the settings, and forget what was accepted."""
    client.post("/_emulator/reset", json={"config": True}).raise_for_status()
    client.post("/_emulator/config", json=_CALM).raise_for_status()
    client.post("/storage/v1/b?project=lab", json={"name": "data"}).raise_for_status()
    upload = "/upload/storage/v1/b/data/o?uploadType=media&name=rows.jsonl"
    client.post(upload, content=b"{}\n").raise_for_status()


@contextmanager
def watched_emulator(log: Path) -> Iterator[httpx2.Client]:
    """Run an emulator whose standard error goes to a file, and yield a client for it."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "emulator"], cwd=_ROOT, stdout=subprocess.PIPE, stderr=errors
        )
    try:
        address = process.stdout.readline().split()[-1].decode() if process.stdout else ""
        with plain_http.Client(base_url=address, timeout=300) as client:
            calm(client)
            yield client
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
