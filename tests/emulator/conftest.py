"""One emulator process for these tests, and Google's storage client pointed at it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.emulator import EmulatorProcess, start_emulator


@pytest.fixture(scope="session")
def emulator_process() -> Iterator[EmulatorProcess]:
    """One process for the session: its learning process takes seconds to start."""
    with start_emulator() as process:
        yield process


@pytest.fixture(scope="module")
def emulator(emulator_process: EmulatorProcess) -> EmulatorProcess:
    """The emulator, empty and without waits at the start of a module."""
    emulator_process.reset()
    emulator_process.configure(tuning_seconds=0)
    return emulator_process


@pytest.fixture(scope="module")
def storage(emulator: EmulatorProcess) -> Iterator[Any]:
    """Google's storage client, pointed to the emulator in Google's own way."""
    from google.cloud.storage import Client

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
        client = Client(project="lab")
        yield client
        client.close()
