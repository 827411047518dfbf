"""`stack.json`: where a running stack can be reached, for other commands to read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tunecurve.stack.private_files import write_private


@dataclass(frozen=True, slots=True)
class StackState:
    """`pid` is the supervisor's, `processes` maps each name to its pid."""

    url: str
    key_file: str
    pid: int
    processes: Mapping[str, int]
    redis: str
    emulator: str | None


def state_file(folder: Path) -> Path:
    return folder / "stack.json"


def write_state(folder: Path, state: StackState) -> None:
    write_private(state_file(folder), json.dumps(asdict(state), indent=2) + "\n")


def read_state(folder: Path) -> StackState | None:
    """Return the state of the folder's stack, None where there is none or it is unreadable."""
    try:
        return StackState(**json.loads(state_file(folder).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def remove_state(folder: Path) -> None:
    state_file(folder).unlink(missing_ok=True)
