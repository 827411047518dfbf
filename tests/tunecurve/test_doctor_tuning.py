"""`tunecurve doctor --tuning`: what the server's machine finds out before it would pay."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulator import EmulatorProcess, start_emulator
from tunecurve.cli import run
from tunecurve.errors import ExitCode


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with start_emulator() as started:
        yield started


def tuning_checks(capsys: pytest.CaptureFixture[str], *, code: int) -> dict[str, tuple[str, str]]:
    assert run(["doctor", "--tuning", "-o", "json"]) == code
    found = json.loads(capsys.readouterr().out)["checks"]
    return {
        each["check"].removeprefix("tuning: "): (each["state"], each["detail"])
        for each in found
        if each["check"].startswith("tuning")
    }


def test_it_says_what_is_well_and_what_is_forbidden(
    bare: Path,
    emulator: EmulatorProcess,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "STORAGE_EMULATOR_HOST": emulator.url,
        "TUNECURVE_VERTEX_ENDPOINT": emulator.url,
        "TUNECURVE_GOOGLE_CLOUD_PROJECT": "lab",
        "TUNECURVE_STORAGE": "gs://rows/data",
        "TUNECURVE_MASTER_KEY": "hunter2hunter2hunter2hunter2hunter2",
    }.items():
        monkeypatch.setenv(name, value)
    emulator.request("POST", "/storage/v1/b?project=lab", {"name": "rows"})

    well = tuning_checks(capsys, code=ExitCode.OK)

    assert {state for state, _ in well.values()} == {"ok"}
    assert "rows is in US" in well["bucket location"][1]
    emulator.configure(forbidden="tunings")
    refused = tuning_checks(capsys, code=ExitCode.CONFIGURATION)
    assert refused["tunings"][0] == "fail"
    assert "roles/aiplatform.user" in refused["tunings"][1]
    assert "hunter2" not in str(refused)


def test_without_settings_it_says_what_to_set(
    bare: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = tuning_checks(capsys, code=ExitCode.CONFIGURATION)

    assert "set TUNECURVE_STORAGE=gs://" in found["bucket"][1]
    assert "set TUNECURVE_GOOGLE_CLOUD_PROJECT" in found["tunings"][1]
