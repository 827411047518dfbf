"""A newer google-genai beside the pinned one, in a folder that `make test` fills."""

import os
from collections.abc import Mapping
from pathlib import Path

_MADE = Path(__file__).parents[2] / ".venv" / "newest"
FOLDER = os.environ.get("TUNECURVE_NEWEST_GENAI") or (str(_MADE) if _MADE.is_dir() else "")


def newest_first() -> Mapping[str, str]:
    """Return an environment in which that version is imported."""
    return os.environ | {"PYTHONPATH": FOLDER}
