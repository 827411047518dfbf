"""Fixtures of the client's tests: a tiny service, and surroundings without any settings."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tunecurve.tiny_service import KEY, TinyService, serve_tiny_service
from tunecurve.client import Client


@pytest.fixture
def service() -> Iterator[TinyService]:
    with serve_tiny_service() as running:
        yield running


@pytest.fixture
def client(service: TinyService) -> Iterator[Client]:
    with Client(service.url, KEY) as opened:
        yield opened


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, its data folder inside, and no setting from outside."""
    inherited = [name for name in os.environ if name.startswith("TUNECURVE_")]  # noqa: TID251 - to be removed
    for name in inherited:
        monkeypatch.delenv(name)
    # What tests start finds the checkout from any folder.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.setenv("TUNECURVE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def known(bare: Path, service: TinyService, monkeypatch: pytest.MonkeyPatch) -> TinyService:
    """The tiny service, found through the environment."""
    monkeypatch.setenv("TUNECURVE_URL", service.url)
    monkeypatch.setenv("TUNECURVE_KEY", KEY)
    return service
