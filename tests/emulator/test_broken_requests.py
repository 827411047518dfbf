"""Whatever is sent, the server answers with an error of Google's shape and never breaks."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings

from tests.emulator.broken import BrokenRequest, broken_requests, send, watched_emulator


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broken") / "stderr.txt"


@pytest.fixture(scope="module")
def client(log: Path) -> Iterator[httpx2.Client]:
    with watched_emulator(log) as client:
        yield client


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(request=broken_requests())
def test_a_broken_request_is_answered_and_never_with_500(
    client: httpx2.Client, request: BrokenRequest
) -> None:
    assert send(client, request) == ""


def test_nothing_is_found_in_its_log(client: httpx2.Client, log: Path) -> None:
    assert client.get("/_emulator/healthz").is_success
    assert "Traceback" not in log.read_text(encoding="utf-8", errors="replace")
