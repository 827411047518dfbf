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
    try:
        report: dict[str, Any] = run_server_command(
            clean_command(yes=yes), folder, environment, seconds=_SECONDS
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"nothing was cleaned: {error}") from error
    return report
