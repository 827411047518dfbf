"""The server's own commands, run on its machine with its settings."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tunecurve.errors import ConfigurationError
from tunecurve.stack.services import (
    Parts,
    clean_command,
    process_environment,
    require_server,
    stack_environment,
)
from tunecurve.stack.state import read_state

_CLEAN_SECONDS = 3600.0  # every endpoint is undeployed first


def run_server_command(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], *, seconds: float
) -> Any:
    """Return the JSON that a command prints last.

    Without settings of their own the services are those of the embedded stack, which then must
    run. Raises ConfigurationError with the reason where it prints none, or not in time.
    """
    require_server()
    state = read_state(folder)
    env = {**process_environment(environment), "TUNECURVE_DATA_DIR": str(folder)}
    if state is not None and not environment.get("TUNECURVE_DATABASE_URL"):
        parts = Parts(
            folder=folder, redis_url=state.redis or "", emulator_url=state.emulator, master_key=""
        )
        env = stack_environment(environment, parts)
    try:
        done = subprocess.run(
            command,
            cwd=folder if folder.is_dir() else None,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(f"no answer came within {seconds:g} s") from error
    lines = done.stdout.splitlines()
    if not lines:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise ConfigurationError(reason or "no reason was given")
    return json.loads(lines[-1])


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
            clean_command(yes=yes), folder, environment, seconds=_CLEAN_SECONDS
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"nothing was cleaned: {error}") from error
    return report
