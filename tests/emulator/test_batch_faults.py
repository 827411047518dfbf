"""What goes wrong with rows of a batch, what they wait for and what they cost."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulator.clients import genai_client
from tests.emulator.examples import upload
from tests.emulator.test_batch import ended, line, read_rows, run
from tests.support.emulator import EmulatorProcess
from tests.support.eventually import eventually

FLASH = "gemini-2.5-flash"


@pytest.fixture(scope="module")
def genai(emulator: EmulatorProcess) -> Iterator[Any]:
    client = genai_client(emulator, location="us-central1")
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _defaults(emulator: EmulatorProcess) -> None:
    emulator.reset()


def many(emulator: EmulatorProcess, count: int, *, name: str = "many.jsonl") -> str:
    lines = [line(f"Classify: positive or negative.\n\nText: day {i}", id=i) for i in range(count)]
    return upload(emulator, "\n".join(lines), name=name)


def summary(emulator: EmulatorProcess, name: str) -> dict[str, Any]:
    return next(batch for batch in emulator.ledger()["batches"] if batch["name"] == name)


def test_rows_that_fail_three_times_say_so_and_cost_nothing(
    emulator: EmulatorProcess, genai: Any, storage: Any
) -> None:
    faults = {"error_500_rate": 0.4, "error_503_rate": 0.4, "drop_before_rate": 1}
    rows_only = {"models": {FLASH: faults}, "seed": 3}  # what creates a batch has no base model
    emulator.configure(**rows_only)
    job = run(genai, many(emulator, 80))
    kinds = Counter(row["status"].partition(":")[0] for row in read_rows(storage, job))

    # A try fails with probability 0.64, three in a row with 0.26.
    assert kinds.keys() == {"", "Internal", "Unavailable"}
    assert 8 < kinds.total() - kinds[""] < 36
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    assert job.completion_stats.failed_count == kinds["Internal"] + kinds["Unavailable"]
    assert all((row["response"] == {}) == bool(row["status"]) for row in read_rows(storage, job))
    again = read_rows(storage, run(genai, many(emulator, 80)))
    assert {row["id"] for row in again if row["status"]} != {
        row["id"] for row in read_rows(storage, job) if row["status"]
    }


def test_content_is_spoiled_as_it_is_for_calls(
    emulator: EmulatorProcess, genai: Any, storage: Any
) -> None:
    emulator.configure(safety_rate=0.3, thinking_rate=0.3, prompt_block_rate=0.3, seed=1)
    job = run(genai, many(emulator, 40))
    rows = read_rows(storage, job)
    reasons = [(row["response"].get("candidates") or [{}])[0].get("finishReason") for row in rows]

    assert {"STOP", "SAFETY", "MAX_TOKENS", None} == set(reasons)
    assert job.completion_stats.successful_count == 40
    for row, reason in zip(rows[:10], reasons, strict=False):
        prompt = row["request"]["contents"][0]["parts"][0]["text"]
        answer = genai.models.generate_content(model=FLASH, contents=prompt)
        candidate = answer.candidates[0] if answer.candidates else None
        assert (candidate.finish_reason.name if candidate else None) == reason
    thoughts = [
        row["response"]["usageMetadata"]["thoughtsTokenCount"]
        for row, reason in zip(rows, reasons, strict=True)
        if reason == "MAX_TOKENS"
    ]
    assert summary(emulator, job.name)["output_tokens"] >= sum(thoughts) > 0


def test_rows_cost_half_of_what_calls_cost(
    emulator: EmulatorProcess, genai: Any, storage: Any
) -> None:
    uri = many(emulator, 5)
    job = run(genai, uri)
    rows = read_rows(storage, job)
    for row in rows:
        contents = row["request"]["contents"][0]["parts"][0]["text"]
        genai.models.generate_content(model=FLASH, contents=contents)
    ledger = emulator.ledger()

    assert ledger["batch_cost_usd"] == pytest.approx(ledger["generation_cost_usd"] / 2)
    assert ledger["batch_cost_usd"] == summary(emulator, job.name)["cost_usd"] > 0
    assert ledger["calls_accepted"] == 5


def test_rows_wait_for_shared_capacity_and_know_no_other_quota(
    emulator: EmulatorProcess, genai: Any
) -> None:
    emulator.configure(
        requests_per_minute=1, requests_per_day=1, concurrent_requests=1, tokens_per_minute=1
    )
    uri = many(emulator, 30)
    assert run(genai, uri).completion_stats.successful_count == 30
    emulator.configure(shared_requests_per_minute=1, shared_variation=0)
    config = {"display_name": "slow", "dest": "gs://data/slow"}
    name = genai.batches.create(model=FLASH, src=uri, config=config).name
    eventually(lambda: summary(emulator, name)["successful"] == 1)
    emulator.request("POST", "/_emulator/clock", {"advance_seconds": 61})
    eventually(lambda: summary(emulator, name)["successful"] == 2)
    emulator.request("POST", "/_emulator/clock", {"advance_seconds": 24 * 3600})
    done = ended(genai, name)
    assert (done.state.name, done.error.code) == ("JOB_STATE_CANCELLED", 1)
    assert "24 hours" in done.error.message
    assert summary(emulator, name)["incomplete"] >= 26
