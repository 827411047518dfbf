"""What has no entry any more, found and deleted by the server's own code on its machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunecurve.errors import ConfigurationError
from tunecurve.stack.server_commands import run_server_command
from tunecurve.stack.services import clean_command

_SECONDS = 3600.0  # every endpoint is undeployed first


def clean(folder: Path, environment: Mapping[str, str], *, yes: bool) -> dict[str, Any]:
    """Return what was found, with `yes` also deleted, and what could not be.

    Raises ConfigurationError where the server, its settings or the provider are not there.
    """
    if not environment.get("TUNECURVE_DATABASE_URL") and not (folder / "tunecurve.db").is_file():
        raise ConfigurationError(
            f"there is no installation in {folder}: name its folder with --data-dir or "
            "TUNECURVE_DATA_DIR, or its database with TUNECURVE_DATABASE_URL"
        )
    try:
        report: dict[str, Any] = run_server_command(
            clean_command(yes=yes), folder, environment, seconds=_SECONDS
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"nothing was cleaned: {error}") from error
    return report
