"""Names that no code of ours uses, by vulture; fields of classes are read by frameworks, and pass.

What only tests use counts as unused. `[tool.vulture]` of pyproject.toml names what is called from
outside.
"""

import ast
import sys
from pathlib import Path

from vulture import Vulture
from vulture.config import make_config


def main() -> int:
    """Print each unused name with its place; return 1 when there is one."""
    config = make_config([])
    vulture = Vulture(
        ignore_names=config["ignore_names"], ignore_decorators=config["ignore_decorators"]
    )
    vulture.scavenge(config["paths"], exclude=config["exclude"])
    unused = [
        item
        for item in vulture.get_unused_code()
        if item.first_lineno not in _fields(item.filename)
    ]
    for item in unused:
        sys.stdout.write(f"{item.filename}:{item.first_lineno}: unused {item.typ} {item.name!r}\n")
    return int(bool(unused))


def _fields(file: Path) -> set[int]:
    """Return the lines of a file that assign in the body of a class."""
    return {
        statement.lineno
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
    }


if __name__ == "__main__":
    sys.exit(main())
