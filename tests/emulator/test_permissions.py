"""What the setting `forbidden` takes away, as Google's clients meet it."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import Forbidden

from tests.support import plain_http
from tests.support.emulator import EmulatorProcess

NEEDED = [f"storage.objects.{name}" for name in ("get", "list", "create", "delete")]


@pytest.fixture
def bucket(storage: Any, emulator: EmulatorProcess) -> Iterator[Any]:
    yield storage.create_bucket(f"bucket-{secrets.token_hex(4)}")
    emulator.configure(forbidden="nothing")


def test_by_default_everything_is_allowed(bucket: Any) -> None:
    assert bucket.test_iam_permissions(NEEDED) == NEEDED


@pytest.mark.parametrize(
    ("forbidden", "held", "reads"),
    [("storage", [], False), ("storage_writes", NEEDED[:2], True), ("tunings", NEEDED, True)],
)
def test_a_bucket_refuses_what_it_says_is_not_held(
    bucket: Any, emulator: EmulatorProcess, forbidden: str, held: list[str], *, reads: bool
) -> None:
    bucket.blob("there").upload_from_string("text")
    emulator.configure(forbidden=forbidden)

    assert bucket.test_iam_permissions(NEEDED) == held
    if held != NEEDED:
        with pytest.raises(Forbidden):
            bucket.blob("new").upload_from_string("text")
    if reads:
        assert bucket.blob("there").download_as_bytes() == b"text"
    else:
        with pytest.raises(Forbidden):
            bucket.blob("there").download_as_bytes()


def test_tunings_are_refused_with_permission_denied(emulator: EmulatorProcess) -> None:
    url = f"{emulator.url}/v1/projects/lab/locations/us-central1/tuningJobs"
    emulator.configure(forbidden="tunings")
    try:
        refused = plain_http.get(url, timeout=300)
    finally:
        emulator.configure(forbidden="nothing")

    assert refused.status_code == 403
    assert refused.json()["error"]["status"] == "PERMISSION_DENIED"
    assert plain_http.get(url, timeout=300).status_code == 200
