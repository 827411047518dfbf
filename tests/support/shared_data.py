"""Real data for tests, which is kept beside the project and never copied into it."""

from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared_data(name: str) -> Path:
    """Return the path of a file of `../shared/data`; skip the test where it is absent."""
    path = _FOLDER / name
    if not path.exists():
        pytest.skip(f"the real data file ../shared/data/{name} is not here")
    return path
