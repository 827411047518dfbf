"""Files that are either old or new, never half written."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def write_json(path: Path, document: object) -> None:
    """Replace a file in one step: a kill at any moment leaves the old file or the new one."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    partial.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)


def read_folder(folder: Path) -> Iterator[Any]:
    """Yield the documents of a folder and drop what a killed writer left behind."""
    for path in sorted(folder.iterdir()):
        if path.suffix == ".partial":
            path.unlink()
        elif path.suffix == ".json":
            yield json.loads(path.read_text(encoding="utf-8"))


def empty_folder(folder: Path) -> None:
    """Make the folder if it is missing and delete the files in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink(missing_ok=True)
