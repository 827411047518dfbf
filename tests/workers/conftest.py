"""Running stacks: a fresh one on each database, and one that a module's tests share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack, start_stack


@pytest.fixture
def fresh_stack(tmp_path: Path, database_url: str) -> Iterator[Stack]:
    """Everything but the API, started, on SQLite and on PostgreSQL."""
    with start_stack(tmp_path, database_url) as started:
        started.start()
        yield started


@pytest.fixture(scope="module")
def stack_settings() -> dict[str, str]:
    """Return settings of the module's stack beside the usual ones, without their prefix."""
    return {}


@pytest.fixture(scope="module")
def running_stack(
    tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path, stack_settings: dict[str, str]
) -> Iterator[Stack]:
    """One stack for the tests of a module: starting it costs more than most of them."""
    folder = tmp_path_factory.mktemp("stack")
    shutil.copy(migrated_sqlite, folder / "test.db")
    with start_stack(folder, f"sqlite:///{folder / 'test.db'}", settings=stack_settings) as started:
        started.start()
        yield started


@pytest.fixture
def stack(running_stack: Stack) -> Stack:
    """The shared stack, with emulator and pace as they were and a ledger counting from zero."""
    running_stack.emulator.configure(
        tuning_seconds=0.5, latency_seconds=0, requests_per_minute=None
    )
    running_stack.redis.reset_pace()
    running_stack.mark()
    return running_stack
