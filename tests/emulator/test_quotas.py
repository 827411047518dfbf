"""What quotas let through: by the minute, at once, shared, and under several clients."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from emulator.admission.quotas import Quotas
from emulator.clock import Clock
from emulator.errors import GoogleError
from emulator.settings import Settings, change_settings
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess

ROOT = Path(__file__).resolve().parents[2]
MODEL = "gemini-2.5-flash"
UNUSED = "gemini-3.5-flash-lite"  # calls of other tests that hang are not in flight here
FLASH = f"/v1/projects/lab/locations/global/publishers/google/models/{MODEL}"


class SteppedClock(Clock):
    """A clock that stands still until it is advanced."""

    def seconds(self) -> float:
        return self._origin


def admitted(quotas: Quotas, settings: Settings, *, tries: int, tokens: int = 0) -> int:
    count = 0
    for _ in range(tries):
        with suppress(GoogleError):
            quotas.admit(MODEL, settings, tokens=tokens)
            quotas.release(MODEL)
            count += 1
    return count


def settings_with(**changes: Any) -> Settings:
    return change_settings(Settings(), changes)


def test_a_bucket_holds_its_burst_and_fills_at_its_rate() -> None:
    clock = SteppedClock()
    quotas = Quotas(clock)
    settings = settings_with(requests_per_minute=600, burst_seconds=3)
    assert admitted(quotas, settings, tries=100) == 30
    clock.advance(1)
    assert admitted(quotas, settings, tries=100) == 10
    clock.advance(3600)
    assert admitted(quotas, settings, tries=100) == 30


def test_twice_the_quota_gets_the_quota() -> None:
    """Over a network and for a minute, bench/emulator/quota_accuracy.py measures the same."""
    clock = SteppedClock()
    quotas = Quotas(clock)
    settings = settings_with(requests_per_minute=6000, burst_seconds=1)
    admitted(quotas, settings, tries=1000)  # what the bucket holds
    accepted = 0
    for _ in range(500):
        clock.advance(0.02)
        accepted += admitted(quotas, settings, tries=4)
    assert accepted == pytest.approx(10 * 100, rel=0.01)


def test_tokens_are_taken_at_once_and_the_answer_s_later_as_a_debt() -> None:
    clock = SteppedClock()
    quotas = Quotas(clock)
    settings = settings_with(tokens_per_minute=6000, burst_seconds=1)
    assert admitted(quotas, settings, tries=10, tokens=40) == 2
    quotas.settle(MODEL, settings, output_tokens=120)
    clock.advance(1)
    assert admitted(quotas, settings, tries=10, tokens=40) == 0
    clock.advance(1)
    assert admitted(quotas, settings, tries=10, tokens=40) == 2
    clock.advance(10)
    assert admitted(quotas, settings, tries=2, tokens=1_000_000) == 1


def test_a_refusal_by_one_quota_takes_nothing_out_of_another() -> None:
    clock = SteppedClock()
    quotas = Quotas(clock)
    settings = settings_with(requests_per_minute=600, requests_per_day=4)
    assert admitted(quotas, settings, tries=50) == 4
    assert admitted(quotas, settings_with(requests_per_minute=600), tries=50) == 6


def test_a_day_ends_at_midnight() -> None:
    clock = SteppedClock()
    quotas = Quotas(clock)
    settings = settings_with(requests_per_day=5)
    assert admitted(quotas, settings, tries=9) == 5
    clock.advance(86_400)
    assert admitted(quotas, settings, tries=9) == 5


def test_what_others_leave_of_a_shared_quota_varies_and_repeats_by_seed() -> None:
    def windows(seed: int) -> list[int]:
        clock = SteppedClock()
        quotas = Quotas(clock)
        settings = settings_with(
            shared_requests_per_minute=6000,
            shared_variation=0.5,
            shared_window_seconds=10,
            seed=seed,
        )
        counts = []
        for _ in range(8):
            clock.advance(10)
            counts.append(admitted(quotas, settings, tries=300))
        return counts

    first = windows(1)
    assert len(set(first)) > 3
    assert all(50 <= count <= 150 for count in first)
    assert windows(1) == first
    assert windows(2) != first


def test_no_more_calls_than_allowed_are_in_flight_at_once(emulator: EmulatorProcess) -> None:
    emulator.reset()
    emulator.configure(models={UNUSED: {"concurrent_requests": 2, "latency_seconds": 2}})

    def call(number: int) -> int:
        contents = [{"role": "user", "parts": [{"text": f"note {number}"}]}]
        url = f"{emulator.url}{FLASH.replace(MODEL, UNUSED)}:generateContent"
        return plain_http.post(url, json={"contents": contents}, timeout=300).status_code

    with ThreadPoolExecutor(6) as threads:
        codes = list(threads.map(call, range(6)))
    assert set(codes) == {200, 429}
    use = emulator.ledger()["by_model"][UNUSED]
    assert use["peak_in_flight"] <= 2
    assert (use["accepted"], use["rejected"]) == (codes.count(200), codes.count(429))
    assert call(9) == 200
    emulator.reset()


_CALLS = """
import http.client, json, sys
port, path, number = sys.argv[1:]
codes = []
for index in range(60):
    contents = [{"role": "user", "parts": [{"text": f"note {number} {index}"}]}]
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=300)
    connection.request("POST", path, json.dumps({"contents": contents}))
    codes.append(connection.getresponse().status)
    connection.close()
print(codes.count(200), codes.count(429), len(codes))
"""


def test_four_processes_share_one_quota_and_every_call_is_counted(
    emulator: EmulatorProcess,
) -> None:
    emulator.reset()
    emulator.configure(requests_per_day=100)
    port = emulator.url.rpartition(":")[2]
    words = [sys.executable, "-c", _CALLS, port, f"{FLASH}:generateContent"]
    started = [
        subprocess.Popen([*words, str(number)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    counted = [list(map(int, process.communicate()[0].split())) for process in started]
    accepted, refused, sent = (sum(each) for each in zip(*counted, strict=True))
    assert (accepted, refused, sent) == (100, 140, 240)
    use = emulator.ledger()["by_model"][MODEL]
    assert (use["accepted"], use["rejected"]) == (accepted, refused)
    emulator.reset()
