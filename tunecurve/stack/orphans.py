"""What has no entry any more, found and deleted by the server's own code on its machine."""

import json
import subprocess
from collections.abc import Mapping
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

_SECONDS = 3600.0  # every endpoint is undeployed first


def clean(folder: Path, environment: Mapping[str, str], *, yes: bool) -> dict[str, Any]:
    """Return what was found, with `yes` also deleted, and what could not be.

    Without settings of their own the services are those of the embedded stack, which then must
    run. Raises ConfigurationError where the server, its settings or the provider are not there.
    """
    require_server()
    state = read_state(folder)
    env = {**process_environment(environment), "TUNECURVE_DATA_DIR": str(folder)}
    if state is not None and not environment.get("TUNECURVE_DATABASE_URL"):
        parts = Parts(
            folder=folder, redis_url=state.redis or "", emulator_url=state.emulator, master_key=""
        )
        env = stack_environment(environment, parts)
    done = subprocess.run(
        clean_command(yes=yes),
        cwd=folder if folder.is_dir() else None,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    lines = done.stdout.splitlines()
    if not lines:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise ConfigurationError(f"nothing was cleaned: {reason or 'no reason was given'}")
    told: dict[str, Any] = json.loads(lines[-1])
    return told
