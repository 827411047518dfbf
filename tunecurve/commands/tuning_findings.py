"""What `tunecurve doctor --tuning` learns from the server's machine: would a tuning work?"""

from collections.abc import Mapping
from pathlib import Path

from tunecurve.commands.server_findings import Finding, State
from tunecurve.errors import TunecurveError
from tunecurve.stack.server_commands import run_server_command
from tunecurve.stack.services import preflight_command

_SECONDS = 120.0
_STATES: Mapping[str, State] = {"ok": "ok", "warn": "warn"}  # the others keep tunings from working


def ask_preflight(folder: Path, environment: Mapping[str, str]) -> list[Finding]:
    """Return a finding for each check of the preflight; it asks the provider and pays nothing."""
    try:
        found = run_server_command(preflight_command(), folder, environment, seconds=_SECONDS)
    except TunecurveError as error:
        return [Finding("tuning", "fail", str(error))]
    return [
        Finding(f"tuning: {each['check']}", _STATES.get(each["state"], "fail"), each["detail"])
        for each in found
    ]
