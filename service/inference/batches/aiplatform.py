"""Google's `aiplatform_v1`, of which each part is loaded when it is first asked for.

The package's own `__init__` loads every service: 0.6 s of computing and 75 MB; a client of tunings
and its messages alone take 0.1 s and 13 MB.
"""

import ast
import importlib
import importlib.util
import sys
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["v1"]

_NAME = "google.cloud.aiplatform_v1"


class _LazyPackage(ModuleType):
    """Imports the module of a public name when the name is asked for.

    The parts of the package import each other by their modules' names, and so find them.
    """

    @cached_property
    def _modules(self) -> dict[str, str]:
        """The module of each name, such as `types.tuning_job`, as the package's `__init__` says."""
        tree = ast.parse((Path(self.__path__[0]) / "__init__.py").read_bytes())
        return {
            alias.name: statement.module or ""
            for statement in tree.body
            if isinstance(statement, ast.ImportFrom) and statement.level == 1
            for alias in statement.names
        }

    def __getattr__(self, name: str) -> Any:
        # The machinery of imports asks for many of these, and for modules that are not loaded yet.
        if not name[:1].isupper() or name not in self._modules:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(f".{self._modules[name]}", self.__name__), name)
        setattr(self, name, found)
        return found


def _load() -> ModuleType:
    """Return the package as it is, where something has imported all of it."""
    if _NAME not in sys.modules:
        for name in (_NAME, f"{_NAME}.types", f"{_NAME}.services"):
            sys.modules[name] = _empty_package(name)
    return sys.modules[_NAME]


def _empty_package(name: str) -> ModuleType:
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ImportError(f"{name} is not installed")
    package = _LazyPackage(name)
    vars(package).update(vars(importlib.util.module_from_spec(spec)))
    return package


if TYPE_CHECKING:
    from google.cloud import aiplatform_v1 as v1
else:
    v1 = _load()
