"""Training files for tests: tiny tasks a model can learn from a few rows."""

import json
from typing import Any

from tests.support import plain_http
from tests.support.emulator import EmulatorProcess
from tests.support.eventually import eventually

ENDED = {"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"}


def row(prompt: str, target: str) -> dict[str, Any]:
    return {
        "contents": [
            {"role": "user", "parts": [{"text": prompt}]},
            {"role": "model", "parts": [{"text": target}]},
        ]
    }


def jsonl(rows: list[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(each) for each in rows)


def labelled(*, good: str, bad: str, count: int = 40) -> str:
    """Return rows whose prompts say plainly which of the two labels is right."""
    kinds = (("a splendid and happy day", good), ("a dreadful and sorry day", bad))
    rows = [row(f"note {i}: {kinds[i % 2][0]}", kinds[i % 2][1]) for i in range(count)]
    return jsonl(rows)


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    scored = ((0, rejected), (1, chosen))
    return {
        "contents": [{"role": "user", "parts": [{"text": prompt}]}],
        "completions": [
            {"score": score, "completion": {"role": "model", "parts": [{"text": text}]}}
            for score, text in scored
        ],
    }


def preferred(*, good: str, bad: str, count: int = 40) -> str:
    """Return pairs whose prompts say plainly which of the two labels is preferred."""
    kinds = (("a splendid and happy day", good, bad), ("a dreadful and sorry day", bad, good))
    rows = [
        pair(f"note {i}: {text}", chosen, rejected)
        for i in range(count)
        for text, chosen, rejected in kinds[i % 2 : i % 2 + 1]
    ]
    return jsonl(rows)


def upload(emulator: EmulatorProcess, content: str, *, name: str) -> str:
    """Put a file into the bucket `data` and return its gs:// URI."""
    plain_http.post(f"{emulator.url}/storage/v1/b?project=lab", json={"name": "data"}, timeout=300)
    url = f"{emulator.url}/upload/storage/v1/b/data/o"
    plain_http.post(
        url, params={"uploadType": "media", "name": name}, content=content.encode(), timeout=300
    ).raise_for_status()
    return f"gs://data/{name}"


def order(uri: str, *, model: str = "gemini-2.5-flash", epochs: int = 2) -> dict[str, Any]:
    hyper_parameters = {"epochCount": epochs}
    spec = {"trainingDatasetUri": uri, "hyperParameters": hyper_parameters}
    return {"baseModel": model, "supervisedTuningSpec": spec}


def create(
    emulator: EmulatorProcess, body: dict[str, Any], *, location: str = "us-central1"
) -> dict[str, Any]:
    path = f"/v1/projects/lab/locations/{location}/tuningJobs"
    return emulator.request("POST", path, body)


def finish(emulator: EmulatorProcess, name: str) -> dict[str, Any]:
    """Wait for the end of a tuning and return its resource."""

    def ended() -> dict[str, Any] | None:
        tuning = emulator.request("GET", f"/v1/{name}")
        return tuning if tuning["state"] in ENDED else None

    tuning = eventually(ended, what=f"{name} did not end")
    assert tuning is not None
    return tuning


def ask(emulator: EmulatorProcess, target: str, text: str) -> str:
    """Return the text a model or endpoint answers; `target` is a full resource name."""
    body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    answer = emulator.request("POST", f"/v1/{target}:generateContent", body)
    return str(answer["candidates"][0]["content"]["parts"][0]["text"])
