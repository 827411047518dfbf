"""A new key in place of a lost one, made on the server's machine."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tunecurve.errors import ConfigurationError
from tunecurve.stack.services import process_environment, require_server, reset_key_command
from tunecurve.stack.start import KEY_LINE, key_file
from tunecurve.stack.state import write_private

_OWN_PROJECT = "default"
_SECONDS_TO_RESET = 120.0


def reset_key(folder: Path, environment: Mapping[str, str], *, project: str) -> str:
    """Replace a project's admin keys in the database, and return the new one's secret.

    The embedded stack's own key file gets it too. Raises ConfigurationError where the server or
    its database is not here.
    """
    require_server()
    database = folder / "tunecurve.db"
    if not environment.get("TUNECURVE_DATABASE_URL") and not database.is_file():
        raise ConfigurationError(
            f"no database: {database} is absent; name the folder with --data-dir, or the database "
            "with TUNECURVE_DATABASE_URL"
        )
    done = subprocess.run(
        reset_key_command(project),
        cwd=folder if folder.is_dir() else None,
        env={**process_environment(environment), "TUNECURVE_DATA_DIR": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS_TO_RESET,
        check=False,
    )
    printed = KEY_LINE.search(done.stdout)
    if printed is None:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise ConfigurationError(f"the key was not reset: {reason or 'no reason was given'}")
    if project == _OWN_PROJECT and key_file(folder).is_file():
        write_private(key_file(folder), printed[1] + "\n")
    return printed[1]
