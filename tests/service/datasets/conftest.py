"""A store and a project for the tests of datasets."""

from pathlib import Path

import pytest

from service.database import Sessions
from tests.service.datasets.preparation import CountingStore
from tests.support.runs import add_project


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    return CountingStore(tmp_path / "objects")


@pytest.fixture
def project_id(sessions: Sessions) -> str:
    return add_project(sessions)
