"""The files of the repository as git sees them, for the tests that read the tree itself."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("api", "tunecurve", "emulator", "service", "workers")


@cache
def repository_files() -> tuple[Path, ...]:
    """Return what is committed or would be, relative to the root; ignored files are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = (Path(name) for name in listed.stdout.split("\0") if name)
    return tuple(sorted(path for path in found if (ROOT / path).is_file()))


def modules() -> tuple[Path, ...]:
    """Return every Python file."""
    return tuple(path for path in repository_files() if path.suffix == ".py")


def shipped_modules() -> tuple[Path, ...]:
    """Return the Python files that users run: those of the packages in the wheel."""
    return tuple(path for path in modules() if path.parts[0] in SHIPPED)


def text_of(path: Path) -> str:
    """Return a file's text, or nothing for one that is not text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
