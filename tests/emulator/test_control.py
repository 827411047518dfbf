"""The emulator's own paths: what it counts and what can be turned."""

import json
from typing import Any

import httpx2
import pytest

from tests.support import plain_http
from tests.support.emulator import EmulatorProcess

FLASH = "/v1/projects/lab/locations/global/publishers/google/models/gemini-2.5-flash"


@pytest.fixture(autouse=True)
def _fresh(emulator: EmulatorProcess) -> None:
    emulator.reset()


def generate(emulator: EmulatorProcess, document: dict[str, Any]) -> httpx2.Response:
    return plain_http.post(f"{emulator.url}{FLASH}:generateContent", json=document, timeout=300)


def test_the_ledger_counts_repeats_and_rejections_and_keeps_no_prompt(
    emulator: EmulatorProcess,
) -> None:
    camel = {"contents": [{"parts": [{"text": "private"}]}], "generationConfig": {"topK": 1}}
    snake = {"contents": [{"parts": [{"text": "private"}]}], "generation_config": {"top_k": 1}}
    other = {"contents": [{"parts": [{"text": "different"}]}]}
    for document in (camel, snake, other, {"nonsense": 1}):
        generate(emulator, document)
    ledger = emulator.ledger()
    counts = ("received", "accepted", "rejected")
    assert [ledger[f"calls_{count}"] for count in counts] == [4, 3, 1]
    assert ledger["repeated_prompts"] == 1
    use = ledger["by_model"]["gemini-2.5-flash"]
    assert (use["accepted"], use["rejected"]) == (3, 1)
    assert use["prompt_tokens"] == 2 + 2 + 3
    assert "private" not in json.dumps(ledger)


def test_a_reset_forgets_everything_but_the_settings(emulator: EmulatorProcess) -> None:
    emulator.configure(latency_sigma=0.25)
    emulator.request("POST", "/storage/v1/b?project=lab", {"name": "forgotten"})
    generate(emulator, {"contents": [{"parts": [{"text": "x"}]}]})
    emulator.reset(config=False)
    assert emulator.ledger()["calls_received"] == 0
    assert plain_http.get(f"{emulator.url}/storage/v1/b/forgotten", timeout=300).status_code == 404
    assert emulator.request("GET", "/_emulator/config")["latency_sigma"] == 0.25
    emulator.reset(config=True)
    assert emulator.request("GET", "/_emulator/config")["latency_sigma"] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latency": 1}, "no setting named 'latency'; known: "),
        ({"latency_seconds": "1"}, "latency_seconds must be a number"),
        ({"latency_seconds": -1}, "latency_seconds must be a number of at least 0"),
        ({"requests_per_minute": 0}, "requests_per_minute must be a number above 0"),
        ({"concurrent_tunings": True}, "concurrent_tunings must be a whole number"),
        ({"seed": 1.5}, "seed must be a whole number"),
    ],
)
def test_a_wrong_setting_is_refused_and_nothing_changes(
    emulator: EmulatorProcess, settings: dict[str, Any], message: str
) -> None:
    before = emulator.request("GET", "/_emulator/config")
    url = f"{emulator.url}/_emulator/config"
    response = plain_http.post(url, json={"tuning_seconds": 9} | settings, timeout=300)
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]
    assert emulator.request("GET", "/_emulator/config") == before


@pytest.mark.parametrize("path", ["/_emulator/healthz", "/nowhere", "/storage/v1/b/none"])
def test_every_answer_says_that_it_is_synthetic(emulator: EmulatorProcess, path: str) -> None:
    response = plain_http.get(f"{emulator.url}{path}", timeout=300)
    assert response.headers["x-tunecurve-emulator"] == "synthetic"
    assert response.json()
