"""A newer google-genai beside the pinned one, where somebody has put it into a folder."""

import os
from collections.abc import Mapping

# pip install --no-deps --target FOLDER google-genai==3.6.1
FOLDER = os.environ.get("TUNECURVE_NEWEST_GENAI", "")


def newest_first() -> Mapping[str, str]:
    """Return an environment in which that version is imported."""
    return os.environ | {"PYTHONPATH": FOLDER}
