"""Variables of the environment that look like settings and are none."""

import os
from collections.abc import Collection
from difflib import get_close_matches

from service.settings import Settings

# Those of the client, the command and the containers.
_IMAGES = ("PYTHON_IMAGE", "POSTGRES_IMAGE", "REDIS_IMAGE")
_OTHERS = {f"TUNECURVE_{name}" for name in ("URL", "KEY", "DEBUG", "POSTGRES_PASSWORD", *_IMAGES)}


def unknown_settings() -> list[str]:
    """Return a sentence for each variable `TUNECURVE_…` that no setting reads."""
    known = {f"TUNECURVE_{name.upper()}" for name in Settings.model_fields} | _OTHERS
    given = {name for name in os.environ if name.startswith("TUNECURVE_")}  # noqa: TID251  their names only
    return [
        f"{name} is no setting{_nearest(name, known)}; docs/settings.md has them all"
        for name in sorted(given - known)
    ]


def _nearest(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f", {close[0]} is" if close else ""
